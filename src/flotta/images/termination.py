"""An orderly end: SIGTERM is an exception, so that what is on its way is removed."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator

TERMINATED = 128 + signal.SIGTERM  # status, as shells give it


@contextlib.contextmanager
def end_orderly() -> Iterator[None]:
    """Raise SystemExit in the main thread on SIGTERM; in other threads this does nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
