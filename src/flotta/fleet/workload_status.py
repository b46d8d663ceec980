"""What a device reports about a workload: the items of `EdgeDevice.status.workloads`.

A phase is any text that an agent sends: podman's states of pods, v0.2's `crashed` and `stopped`.
With the phase `Deploying`, the reason names what the device is doing; with another phase, what went
wrong (docs/reference/control-plane.md#states-of-workloads).
"""

from __future__ import annotations

from flotta.protocol.reasons.workloads import COMPLETED
from flotta.resources.objects.devices import WorkloadStatus

FAILING = frozenset({"error", "degraded", "failed", "crashed", "dead"})
HARMLESS = frozenset({"running", "deploying"})


def is_started(status: WorkloadStatus) -> bool:
    """Tell whether the pod runs, ready or not."""
    return _phase(status) == "running"


def is_running(status: WorkloadStatus) -> bool:
    """Tell whether the pod runs, and no probe of it says that it is not ready."""
    return is_started(status) and status.get("ready") is not False


def is_failing(status: WorkloadStatus) -> bool:
    """Tell whether the workload fails."""
    phase, reason = _phase(status), status.get("reason")
    return phase in FAILING or (phase not in HARMLESS and reason not in (None, "", COMPLETED))


def describe_status(status: WorkloadStatus) -> str:
    """Return reason and message, else the phase."""
    words = [text.rstrip(".") for text in (status.get("reason"), status.get("message")) if text]
    return ": ".join(words) or status.get("phase") or "unknown"


def _phase(status: WorkloadStatus) -> str:
    # An older object may contain something that the schema no longer allows.
    return str(status.get("phase") or "").lower()
