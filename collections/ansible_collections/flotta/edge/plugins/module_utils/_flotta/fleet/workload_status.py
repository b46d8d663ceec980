# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/fleet/workload_status.py: change that.
"""What a device reports about a workload: the items of `EdgeDevice.status.workloads`.

A phase is any text that an agent sends: podman's states of pods, v0.2's `crashed` and `stopped`.
With the phase `Deploying`, the reason names what the device is doing; with another phase, what went
wrong (docs/reference/control-plane.md#states-of-workloads).
"""

from __future__ import annotations

from ..protocol.reasons.workloads import (
    COMPLETED,
    CONTAINERS_NOT_READY,
    DEVICE_ERRORS,
    IMAGES,
    REFERENCES,
    SPECIFICATION,
    STARTS,
)
from ..resources.objects.devices import WorkloadStatus

FAILING = frozenset({"error", "degraded", "failed", "crashed", "dead"})
HARMLESS = frozenset({"running", "deploying"})
# With the phase of a pod that runs, they are about its successor, which could not be had.
OF_SUCCESSOR = frozenset(
    row.code for rows in (IMAGES, STARTS, SPECIFICATION, REFERENCES, DEVICE_ERRORS) for row in rows
)


def is_started(status: WorkloadStatus) -> bool:
    """Tell whether the pod runs as it is desired, ready or not."""
    return _phase(status) == "running" and status.get("reason") not in OF_SUCCESSOR


def is_running(status: WorkloadStatus) -> bool:
    """Tell whether the pod runs, and no probe of it says that it is not ready."""
    return is_started(status) and status.get("ready") is not False


def hides_readiness(status: WorkloadStatus) -> bool:
    """Tell whether a pod that runs is not ready, although its reason is another."""
    waits = is_started(status) and not is_running(status)
    return waits and status.get("reason") != CONTAINERS_NOT_READY


def is_failing(status: WorkloadStatus) -> bool:
    """Tell whether the workload fails, also if an older pod of it runs on."""
    phase, reason = _phase(status), status.get("reason")
    if phase in FAILING or (phase == "running" and reason in OF_SUCCESSOR):
        return True
    return phase not in HARMLESS and reason not in (None, "", COMPLETED)


def describe_status(status: WorkloadStatus) -> str:
    """Return reason and message, else the phase."""
    words = [text.rstrip(".") for text in (status.get("reason"), status.get("message")) if text]
    return ": ".join(words) or status.get("phase") or "unknown"


def _phase(status: WorkloadStatus) -> str:
    # An older object may contain something that the schema no longer allows.
    return str(status.get("phase") or "").lower()
