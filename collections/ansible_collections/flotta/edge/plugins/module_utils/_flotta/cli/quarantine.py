# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/cli/quarantine.py: change that.
"""Quarantines devices and releases them, for `flotta device` and `edge_device`.

Rules: docs/reference/control-plane.md#quarantine.
"""

from __future__ import annotations

from datetime import UTC, datetime

from ..cli.authors import name_author
from ..fleet.quarantine import Pods, make_section, quarantine_of
from ..resources.client import Client
from ..resources.kinds import EDGE_DEVICE
from ..resources.objects.devices import EdgeDevice
from ..resources.objects.meta import MergePatch
from ..resources.views import name_of, namespace_of, spec_of


async def quarantine(
    client: Client, device: EdgeDevice, pods: Pods, reason: str, program: str
) -> EdgeDevice:
    """Quarantine a device and return it; one that is quarantined so already stays as it is.

    `program` is what the administrator used. Raises ApiError.
    """
    return await _write(client, device, plan_quarantine(device, pods, reason, program))


async def release(client: Client, device: EdgeDevice) -> EdgeDevice:
    """Let a device in again and return it; one that is not quarantined stays as it is.

    Raises ApiError.
    """
    return await _write(client, device, plan_release(device))


def plan_quarantine(device: EdgeDevice, pods: Pods, reason: str, program: str) -> MergePatch:
    """Return the merge patch of the `spec` that quarantines a device, empty if it is so already.

    Without a reason, the one that is recorded stays.
    """
    known = quarantine_of(device)
    reason = reason or (known.reason if known else "")
    section = make_section(name_author(program), pods, reason, datetime.now(UTC))
    if known is not None and (known.pods, known.reason) == (pods, section.get("reason", "")):
        return {}
    if known is not None and known.since:
        section["since"] = known.since
    return {"quarantine": section}


def plan_release(device: EdgeDevice) -> MergePatch:
    """Return the merge patch of the `spec` that lets a device in, empty if it is in."""
    return {} if spec_of(device).get("quarantine") is None else {"quarantine": None}


async def _write(client: Client, device: EdgeDevice, spec: MergePatch) -> EdgeDevice:
    if not spec:
        return device
    patch = {"spec": spec}
    return await client.merge_patch(EDGE_DEVICE, name_of(device), namespace_of(device), patch)
