"""What a device says of a workload: the items of `EdgeDevice.status.workloads`.

Phases are any agent's words: podman's states of pods, v0.2's `crashed` and `stopped`. The reason
beside `Deploying` names what the device is doing, beside another phase what went wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

FAILING = frozenset({"error", "degraded", "failed", "crashed", "dead"})
HARMLESS = frozenset({"running", "deploying"})
COMPLETED = "Completed"  # reason of a pod whose containers all ended well


def is_running(status: Mapping[str, Any]) -> bool:
    """Tell whether the pod runs."""
    return _phase(status) == "running"


def is_failing(status: Mapping[str, Any]) -> bool:
    """Tell whether the workload fails."""
    phase, reason = _phase(status), status.get("reason")
    return phase in FAILING or (phase not in HARMLESS and reason not in (None, "", COMPLETED))


def describe_status(status: Mapping[str, Any]) -> str:
    """Return reason and message, else the phase."""
    words = [status[key].rstrip(".") for key in ("reason", "message") if status.get(key)]
    return ": ".join(words) or str(status.get("phase") or "unknown")


def _phase(status: Mapping[str, Any]) -> str:
    return str(status.get("phase") or "").lower()
