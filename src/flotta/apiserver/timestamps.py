"""Times in objects: what clients may send, and the form in which they are stored.

Kubernetes refuses a time without seconds or zone, so the shared lenient parser is not enough. The
forms are metav1.Time and metav1.MicroTime: RFC 3339 in UTC, in whole seconds and with six digits.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from flotta.rfc3339 import format_micro_time, format_time, parse_time

SECONDS = r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:[0-5]\d"
ZONE = r"(Z|[+-]\d{2}:\d{2})"
TIME = re.compile(rf"{SECONDS}(\.\d+)?{ZONE}")
MICRO_TIME = re.compile(rf"{SECONDS}\.\d{{6}}{ZONE}")


TIME_FORM = "a time such as 2026-01-31T23:59:59Z"
MICRO_TIME_FORM = "a time with six digits of a second such as 2026-01-31T23:59:59.000000Z"


def now() -> str:
    """Return the current time in whole seconds (metav1.Time)."""
    return format_time(datetime.now(UTC))


def normalize_time(text: str) -> str:
    """Return a time in UTC and whole seconds. Raises ValueError if it is not RFC 3339."""
    if not TIME.fullmatch(text):
        raise ValueError(f"{text} is not {TIME_FORM}")
    moment = parse_time(re.sub(r"\.\d+", "", text))
    return format_time(moment) if moment else text


def normalize_micro_time(text: str) -> str:
    """Return a time in UTC; it must have exactly six digits of a second, else ValueError."""
    if not MICRO_TIME.fullmatch(text):
        raise ValueError(f"{text} is not {MICRO_TIME_FORM}")
    moment = parse_time(text)
    return format_micro_time(moment) if moment else text
