"""What all our daemons have in common: logging, signals, notification of systemd."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any


def configure_logging(level: str | None = None) -> None:
    """Log to stderr.

    `level` is debug, info, warn, warning or error (default `$LOG_LEVEL`, else info).

    Raises ValueError with a sentence for another word. Under systemd the journal adds the time.
    Libraries do not log at debug level: botocore, for example, would log responses with secrets.
    """
    word = (level or os.environ.get("LOG_LEVEL") or "info").strip().lower()
    names = {"warn": "WARNING", "dpanic": "ERROR", "panic": "CRITICAL", "fatal": "CRITICAL"}
    number = logging.getLevelNamesMapping().get(names.get(word, word.upper()))
    if number is None:
        raise ValueError(f"the log level is {word!r}; use debug, info, warn or error")
    stamp = "" if "JOURNAL_STREAM" in os.environ else "%(asctime)s "
    logging.basicConfig(stream=sys.stderr, format=stamp + "%(levelname)s %(name)s: %(message)s")
    logging.getLogger().setLevel(max(number, logging.INFO))
    logging.getLogger("flotta").setLevel(number)


def notify(state: str) -> None:
    """Report the state of this service to systemd, for example `READY=1`.

    Nothing happens outside systemd (sd_notify(3)).
    """
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.connect(address)
        sock.sendall(state.encode())


def stop_event() -> asyncio.Event:
    """Return an event of the running loop that SIGTERM and SIGINT set."""
    event = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, event.set)
    return event


def run(main: Callable[[], Coroutine[Any, Any, None]], *, uvloop: bool = False) -> None:
    """Run a daemon's main coroutine to its end, on uvloop for servers of many TLS connections.

    A `ValueError` is a mistake in the configuration: its sentence is the only output, and the exit
    status is 2.
    """
    try:
        configure_logging()
        if uvloop:
            # Only the control plane installs uvloop; a device runs without.
            import uvloop as loop_module

            loop_module.run(main())
        else:
            asyncio.run(main())
    except KeyboardInterrupt:
        return
    except ValueError as error:
        logging.getLogger("flotta").debug("Refused to start", exc_info=True)
        sys.stderr.write(f"{Path(sys.argv[0]).name}: {error}\n")
        raise SystemExit(2) from error
