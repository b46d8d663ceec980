# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/fleet/presence.py: change that.
"""Whether a device is online: condition Ready of EdgeDevice, from the times of its heartbeats.

The formula and what it gives for usual periods: docs/reference/control-plane.md#presence.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from ..fleet.heartbeat_settings import heartbeat_settings
from ..protocol.reasons.conditions import DEGRADED, HEARTBEAT_MISSED, HEARTBEAT_RECEIVED
from ..resources.conditions import READY, condition_status, with_condition
from ..resources.objects.device_settings import DeviceSettings
from ..resources.objects.devices import EdgeDevice, EdgeDeviceStatus
from ..resources.views import spec_of
from ..rfc3339 import format_time, parse_time

MISSED_PERIODS = 3  # heartbeats that may be missed before a device counts as silent
WRITE_PERIODS = 2  # lastSeenTime is written at most once in this many periods


def mark_heard(
    status: EdgeDeviceStatus, now: datetime, generation: int | None = None
) -> EdgeDeviceStatus:
    """Return the status of a device heard from at `now`, with lastSeenTime."""
    phase = status.get("phase") or "up"
    well = phase != "degraded"
    conditions = with_condition(
        status.get("conditions"),
        READY,
        "True" if well else "False",
        HEARTBEAT_RECEIVED if well else DEGRADED,
        "The device sends heartbeats." if well else "The device reports that it is degraded.",
        now,
        generation,
    )
    return {**status, "conditions": conditions, "lastSeenTime": format_time(now)}


def mark_silent(
    status: EdgeDeviceStatus, seen: datetime, now: datetime, generation: int | None = None
) -> EdgeDeviceStatus:
    """Return the status of a device that stopped sending heartbeats after `seen`."""
    message = f"No heartbeat since {format_time(seen)}."
    conditions = with_condition(
        status.get("conditions"), READY, "Unknown", HEARTBEAT_MISSED, message, now, generation
    )
    return {**status, "conditions": conditions}


def ready_status(status: EdgeDeviceStatus) -> str | None:
    """Return the status of condition Ready, None when the device was never heard from."""
    return condition_status(status.get("conditions"), READY)


def last_seen(status: EdgeDeviceStatus) -> datetime | None:
    """Return `status.lastSeenTime`."""
    try:
        return parse_time(status.get("lastSeenTime") or "")
    except ValueError:
        return None


def write_interval(period: float, least: float) -> timedelta:
    """Return how old the written lastSeenTime of a device may become, given its period."""
    return timedelta(seconds=max(WRITE_PERIODS * period, least))


def is_silent(
    heard_at: datetime | None,
    written: datetime,
    now: datetime,
    period: float,
    least: float,
) -> bool:
    """Tell whether a device counts as silent.

    `heard_at` is when this process heard from the device, `written` the time that any process
    wrote. Both must be too old: another replica may hear from the device, and it writes only
    now and then.
    """
    timeout = timedelta(seconds=MISSED_PERIODS * period)
    if heard_at is not None and now - heard_at <= timeout:
        return False
    # The last heartbeat that another replica wrote may be as old as the write interval.
    return now - written > timeout + write_interval(period, least)


def heartbeat_period(device: EdgeDevice, spec: DeviceSettings | None = None) -> float:
    """Return the heartbeat period of a device in seconds; `spec` is that of its set, if any."""
    section = spec_of(device) if spec is None else spec
    return float(heartbeat_settings(section).period)
