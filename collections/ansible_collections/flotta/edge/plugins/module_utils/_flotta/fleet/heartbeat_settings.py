# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/fleet/heartbeat_settings.py: change that.
"""How often a device reports and with what, as its settings or those of its set say. No I/O."""

from __future__ import annotations

from dataclasses import dataclass

from ..resources.objects.device_settings import DeviceSettings

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
