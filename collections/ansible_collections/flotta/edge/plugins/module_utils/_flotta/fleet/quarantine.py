# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/fleet/quarantine.py: change that.
"""Quarantine: a device that was lost or stolen is kept out until it is released. No I/O.

The wish is `spec.quarantine` of the EdgeDevice, so that whoever may change EdgeDevices may also
quarantine one, and every program sees it with the object itself. Nothing is removed: not from the
device, not from its bucket (docs/reference/control-plane.md#quarantine).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ..printable_text import printable
from ..protocol.directives import KEEP_PODS, STOP_PODS
from ..resources.objects.devices import EdgeDevice, QuarantineSection
from ..resources.views import spec_of
from ..rfc3339 import format_time

Pods = Literal["Stop", "Keep"]
STOP: Pods = STOP_PODS
KEEP: Pods = KEEP_PODS
AUTHOR_LIMIT, REASON_LIMIT = 256, 1024  # characters, as in the CRD


@dataclass(frozen=True)
class Quarantine:
    """A quarantine as it is recorded; what nobody recorded is empty."""

    pods: Pods = STOP
    by: str = ""
    since: str = ""  # RFC 3339
    reason: str = ""


def quarantine_of(device: EdgeDevice | None) -> Quarantine | None:
    """Return the quarantine of a device, None for a device that is not quarantined."""
    section = spec_of(device).get("quarantine") if device is not None else None
    if section is None:
        return None
    return Quarantine(
        KEEP if section.get("pods") == KEEP else STOP,
        section.get("by") or "",
        section.get("since") or "",
        section.get("reason") or "",
    )


def is_quarantined(device: EdgeDevice | None) -> bool:
    """Tell whether the certificates and keys of a device are refused until it is released."""
    return quarantine_of(device) is not None


def make_section(by: str, pods: Pods, reason: str, now: datetime) -> QuarantineSection:
    """Return `spec.quarantine` for somebody's word at this time."""
    section: QuarantineSection = {
        "pods": pods,
        "by": printable(by, AUTHOR_LIMIT),
        "since": format_time(now),
    }
    if reason:
        section["reason"] = printable(reason, REASON_LIMIT)
    return section


def describe_quarantine(quarantine: Quarantine) -> str:
    """Return the sentence that says who quarantined a device, when, and why."""
    text = "It is quarantined"
    if quarantine.since:
        text += f" since {quarantine.since}"
    if quarantine.by:
        text += f", by {quarantine.by}"
    return f"{text}: {quarantine.reason.rstrip('.')}." if quarantine.reason else f"{text}."


def describe_pods(quarantine: Quarantine) -> str:
    """Return the sentence that says what becomes of the device's pods."""
    if quarantine.pods == KEEP:
        return "Its pods keep running."
    return "It stops its pods as soon as it reaches the Edge API."
