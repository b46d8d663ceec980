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

from flotta.printable_text import printable, printable_lines

LINE_LIMIT = 16 * 1024  # characters of a line in the log; journald cuts at 48 KiB


class LineFormatter(logging.Formatter):
    """Writes each record on one line, and a traceback on indented lines below.

    Names of files, keys, pods and devices are in many messages, and none may begin a line.
    """

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name in logging
        """Return the line of a record."""
        line = super().formatMessage(record)
        return printable(line, LINE_LIMIT)

    def formatException(self, ei: Any) -> str:  # noqa: N802 - the name in logging
        """Return the lines of a traceback."""
        return _indented(super().formatException(ei))

    def formatStack(self, stack_info: str) -> str:  # noqa: N802 - the name in logging
        """Return the lines of a stack."""
        return _indented(super().formatStack(stack_info))


def _indented(text: str) -> str:
    return "\n".join(f"    {printable(line, LINE_LIMIT)}" for line in text.split("\n"))


def configure_logging(level: str | None = None) -> None:
    """Log to stderr, one printable line for each record.

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
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter(stamp + "%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(handlers=[handler])
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
        sys.stderr.write(f"{Path(sys.argv[0]).name}: {printable_lines(str(error))}\n")
        raise SystemExit(2) from error
