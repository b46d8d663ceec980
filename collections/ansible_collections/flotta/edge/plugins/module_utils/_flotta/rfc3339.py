# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/rfc3339.py: change that.
"""Date-times as RFC 3339 text, with the precision of Kubernetes and of the wire protocol."""

from __future__ import annotations

import re
from datetime import UTC, datetime

NEVER = "0001-01-01T00:00:00.000Z"  # the zero time of Go, in which v0.2 is written

PATTERN = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?)?"
    r"(?:([Zz])|([+-]\d\d:?\d\d))?"
)


def format_time(moment: datetime) -> str:
    """Return a moment in UTC and whole seconds (Kubernetes' metav1.Time)."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def format_micro_time(moment: datetime) -> str:
    """Return a moment in UTC with six fraction digits (Kubernetes' metav1.MicroTime)."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def format_wire_time(moment: datetime | None) -> str:
    """Return a moment in UTC with milliseconds, as in messages; `NEVER` for None."""
    if moment is None:
        return NEVER
    text = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def parse_time(text: str) -> datetime | None:
    """Read a date-time with 0 to 9 fraction digits and any offset form; no zone is UTC.

    The empty string and the year 1 are None ("never"). Raises ValueError for anything else.
    """
    if not text:
        return None
    match = PATTERN.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a date-time (RFC 3339)")
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    if year == 1:
        return None
    fraction = int((match[7] or "0").ljust(6, "0")[:6])
    leap = min(second, 59)
    zone = "+0000" if match[9] is None else match[9].replace(":", "")
    moment = datetime(year, month, day, hour, minute, leap, fraction, tzinfo=UTC)
    sign = -1 if zone[0] == "-" else 1
    offset = sign * (int(zone[1:3]) * 3600 + int(zone[3:5]) * 60)
    return datetime.fromtimestamp(moment.timestamp() - offset, UTC)


def parse_required_time(text: str) -> datetime:
    """Read a date-time; raises ValueError for anything else, also for "never"."""
    moment = parse_time(text)
    if moment is None:
        raise ValueError(f"{text!r} is not a date-time (RFC 3339)")
    return moment
