"""Terminals that may be slow, hung up or absent: none of them keeps the others waiting."""

from __future__ import annotations

import contextlib
import os
import select
import time
from pathlib import Path

PATIENCE = 3.0  # seconds for a screen; a serial line of 9,600 baud takes two
HOME, CLEAR, CLEAR_LINE = "\x1b[H", "\x1b[J", "\x1b[K"
NO_CURSOR, NO_BLANKING = "\x1b[?25l", "\x1b[9;0]"  # console_codes(4)


def draw(path: Path, screen: str) -> bool:
    """Show a screen on a terminal in place of the one before; return whether it was taken."""
    lines = f"{CLEAR_LINE}\n".join(screen.split("\n"))  # the terminal adds the return
    text = f"{NO_BLANKING}{NO_CURSOR}{HOME}{lines}{CLEAR_LINE}{CLEAR}\n"
    try:
        handle = os.open(path, os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return _write(handle, text.encode("utf-8", "replace"))
    finally:
        with contextlib.suppress(OSError):
            os.close(handle)


def _write(handle: int, content: bytes) -> bool:
    deadline = time.monotonic() + PATIENCE
    rest = memoryview(content)
    while rest:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([], [handle], [], left)[1]:
            return False
        try:
            rest = rest[os.write(handle, rest) :]
        except BlockingIOError:
            continue
        except OSError:
            return False
    return True
