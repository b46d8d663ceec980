"""Ages as `kubectl get` prints them."""

from __future__ import annotations

from datetime import UTC, datetime

from flotta.rfc3339 import parse_time


def age(text: str | None, moment: datetime | None = None) -> str:
    """Return the time since `text` as kubectl prints it: `45s`, `2m9s`, `3h20m`, `2d`."""
    try:
        start = parse_time(text or "")
    except ValueError:
        return "<invalid>"
    if start is None:
        return "<unknown>"
    return human_duration(int(((moment or datetime.now(UTC)) - start).total_seconds()))


def human_duration(seconds: int) -> str:
    """Return a duration as k8s.io/apimachinery's `HumanDuration` shortens it."""
    if seconds < -1:
        return "<invalid>"
    if seconds < 120:
        return f"{max(seconds, 0)}s"
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if minutes < 10:
        return _two_units(minutes, "m", seconds % 60, "s")
    if hours < 3:
        return f"{minutes}m"
    if hours < 8:
        return _two_units(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if days < 8:
        return _two_units(days, "d", hours % 24, "h")
    if days < 730:
        return f"{days}d"
    return _two_units(days // 365, "y", days % 365, "d") if days < 365 * 8 else f"{days // 365}y"


def _two_units(large: int, large_unit: str, small: int, small_unit: str) -> str:
    return f"{large}{large_unit}{small}{small_unit}" if small else f"{large}{large_unit}"
