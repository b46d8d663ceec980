"""How the log of a container ends, in the message about its failure.

A program may write something else before each failure. Events leave it out, so that equal failures
are one Event with a count (docs/reference/device.md#phases-and-reasons).
"""

from __future__ import annotations

SEPARATOR = "; its log ends with: "


def with_log(sentence: str, end: str | None) -> str:
    """Return the message of a failure; `end` is one line, nothing if the log is empty."""
    return f"{sentence}{SEPARATOR}{end}" if end else sentence


def without_log(message: str) -> str:
    """Return a message without the end of a log."""
    return message.partition(SEPARATOR)[0]
