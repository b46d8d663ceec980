"""Times as Kubernetes writes and reads them (RFC 3339)."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})")
_MICRO_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}(Z|[+-]\d{2}:\d{2})")


def now() -> str:
    """The current time in whole seconds."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def normal_time(text: str) -> str:
    """A time in UTC and whole seconds. Raises ValueError when it is not RFC 3339."""
    if not _TIME.fullmatch(text):
        raise ValueError(f'parsing time "{text}" as "2006-01-02T15:04:05Z07:00"')
    moment = datetime.fromisoformat(re.sub(r"\.\d+", "", text))
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def normal_micro_time(text: str) -> str:
    """A time in UTC with exactly six fraction digits, which it must have already."""
    if not _MICRO_TIME.fullmatch(text):
        raise ValueError(f'parsing time "{text}" as "2006-01-02T15:04:05.000000Z07:00"')
    return datetime.fromisoformat(text).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def age(text: str | None, moment: datetime | None = None) -> str:
    """The time since ``text`` as kubectl prints it: ``45s``, ``2m9s``, ``79m``, ``3h20m``, ``2d``."""
    if not text:
        return "<unknown>"
    try:
        start = datetime.fromisoformat(text)
    except ValueError:
        return "<invalid>"
    return human_duration(int(((moment or datetime.now(UTC)) - start).total_seconds()))


def human_duration(seconds: int) -> str:
    """A duration as k8s.io/apimachinery's ``HumanDuration`` shortens it."""
    if seconds < -1:
        return "<invalid>"
    if seconds < 120:
        return f"{max(seconds, 0)}s"
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if minutes < 10:
        return _two(minutes, "m", seconds % 60, "s")
    if hours < 3:
        return f"{minutes}m"
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if days < 8:
        return _two(days, "d", hours % 24, "h")
    if days < 730:
        return f"{days}d"
    return _two(days // 365, "y", days % 365, "d") if days < 365 * 8 else f"{days // 365}y"


def _two(large: int, large_unit: str, small: int, small_unit: str) -> str:
    return f"{large}{large_unit}{small}{small_unit}" if small else f"{large}{large_unit}"
