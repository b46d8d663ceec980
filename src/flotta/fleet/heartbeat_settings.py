"""How often a device reports and with what, as its settings or those of its set say. No I/O."""

from __future__ import annotations

from dataclasses import dataclass

from flotta.resources.objects.device_settings import DeviceSettings

DEFAULT_PERIOD = 60  # seconds


@dataclass(frozen=True)
class HeartbeatSettings:
    """The section `heartbeat` with its defaults."""

    period: int  # seconds
    include_hardware: bool
    hardware_scope: str  # empty: all hardware, each time


def heartbeat_settings(spec: DeviceSettings) -> HeartbeatSettings:
    """Return the heartbeat of settings (docs/reference/control-plane.md#device-settings)."""
    section = spec.get("heartbeat") or {}
    profile = section.get("hardwareProfile") or {}
    return HeartbeatSettings(
        section.get("periodSeconds") or DEFAULT_PERIOD,
        bool(profile.get("include")),
        profile.get("scope") or "",
    )
