"""Whether a device is there: condition Ready of EdgeDevice, from the times of its heartbeats."""

from __future__ import annotations

from datetime import datetime, timedelta

from flotta.fleet.device_settings import DEFAULT_PERIOD
from flotta.resources.conditions import READY, condition_status, with_condition
from flotta.resources.objects.device_settings import DeviceSettings
from flotta.resources.objects.devices import EdgeDevice, EdgeDeviceStatus
from flotta.resources.views import spec_of
from flotta.rfc3339 import format_time, parse_time

MISSED_PERIODS = 3  # heartbeats that may fail to come before a device counts as silent
WRITE_PERIODS = 2  # lastSeenTime is written at most every that many periods


def mark_heard(
    status: EdgeDeviceStatus, now: datetime, generation: int | None = None
) -> EdgeDeviceStatus:
    """Return the status of a device that was heard at `now`, lastSeenTime included."""
    phase = status.get("phase") or "up"
    well = phase != "degraded"
    conditions = with_condition(
        status.get("conditions"),
        READY,
        "True" if well else "False",
        "HeartbeatReceived" if well else "Degraded",
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
        status.get("conditions"), READY, "Unknown", "HeartbeatMissed", message, now, generation
    )
    return {**status, "conditions": conditions}


def ready_status(status: EdgeDeviceStatus) -> str | None:
    """Return the status of condition Ready, None when the device was never heard."""
    return condition_status(status.get("conditions"), READY)


def last_seen(status: EdgeDeviceStatus) -> datetime | None:
    """Return `status.lastSeenTime`."""
    try:
        return parse_time(status.get("lastSeenTime") or "")
    except ValueError:
        return None


def write_interval(period: float, least: float) -> timedelta:
    """Return how old the written lastSeenTime of a device with this heartbeat period may become."""
    return timedelta(seconds=max(WRITE_PERIODS * period, least))


def is_silent(
    heard_at: datetime | None,
    written: datetime,
    now: datetime,
    period: float,
    least: float,
) -> bool:
    """Tell whether a device counts as silent.

    `heard_at` is what this process heard, `written` the time that any process wrote. Both must be
    too old: another replica may be the one that hears the device, and writes only now and then.
    """
    timeout = timedelta(seconds=MISSED_PERIODS * period)
    if heard_at is not None and now - heard_at <= timeout:
        return False
    # What another replica heard since its last write may be as old as the write interval.
    return now - written > timeout + write_interval(period, least)


def heartbeat_period(device: EdgeDevice, spec: DeviceSettings | None = None) -> float:
    """Return the heartbeat period in seconds of a device; `spec` is its set's when it is in one."""
    section = spec_of(device) if spec is None else spec
    return float((section.get("heartbeat") or {}).get("periodSeconds") or DEFAULT_PERIOD)
