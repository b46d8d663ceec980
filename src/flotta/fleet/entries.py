"""Entries of `EdgeDevice.status.workloads`: what a device says of a workload.

Phases are any agent's words: podman's states of pods, v0.2's `crashed` and `stopped`. The reason
beside `Deploying` names what the device is doing, beside another phase what went wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_FAILING = frozenset({"error", "degraded", "failed", "crashed", "dead"})
_HARMLESS = frozenset({"running", "deploying"})
COMPLETED = "Completed"  # reason of a pod whose containers all ended well


def is_running(entry: Mapping[str, Any]) -> bool:
    """Tell whether the entry reports a running pod."""
    return _phase(entry) == "running"


def is_failing(entry: Mapping[str, Any]) -> bool:
    """Tell whether the entry reports a failure."""
    phase, reason = _phase(entry), entry.get("reason")
    return phase in _FAILING or (phase not in _HARMLESS and reason not in (None, "", COMPLETED))


def explanation(entry: Mapping[str, Any]) -> str:
    """Return reason and message, else the phase."""
    words = [entry[key].rstrip(".") for key in ("reason", "message") if entry.get(key)]
    return ": ".join(words) or str(entry.get("phase") or "unknown")


def _phase(entry: Mapping[str, Any]) -> str:
    return str(entry.get("phase") or "").lower()
