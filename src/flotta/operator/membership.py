"""Which workloads a device's record lists: entries of `status.workloads` and `workload/…` labels.

The operator adds and removes entries; phase, times and reasons of existing ones are the Edge API's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..fleet.selection import workloads_for
from ..protocol.phases import DEPLOYING
from .names import WORKLOAD_LABEL, workload_label

if TYPE_CHECKING:
    from collections.abc import Iterable

Object = dict[str, Any]


def listed(device: Object) -> list[Object]:
    """Return the entries of the device's record."""
    return list((device.get("status") or {}).get("workloads") or [])


def wanted(device: Object, workloads: Iterable[Object]) -> list[str]:
    """Return the names of the workloads that the device is to run, sorted."""
    return [workload["metadata"]["name"] for workload in workloads_for(device, workloads)]


def entries(current: list[Object], names: list[str]) -> list[Object] | None:
    """Return the new list of entries, None when it is right already."""
    kept = [entry for entry in current if entry["name"] in set(names)]
    present = {entry["name"] for entry in kept}
    added = [{"name": name, "phase": DEPLOYING} for name in names if name not in present]
    return [*kept, *added] if added or len(kept) != len(current) else None


def labels(current: dict[str, str], names: list[str]) -> dict[str, str | None]:
    """Return the change of labels (None removes one); labels without our prefix are not touched."""
    keys = {key for name in names if (key := workload_label(name))}
    changed: dict[str, str | None] = {
        key: "true" for key in sorted(keys) if current.get(key) != "true"
    }
    stale = [key for key in current if key.startswith(WORKLOAD_LABEL) and key not in keys]
    return changed | dict.fromkeys(stale)


def is_listed(device: Object, workload: str) -> bool:
    """Say whether the record mentions the workload by entry or label."""
    in_labels = WORKLOAD_LABEL + workload in (device["metadata"].get("labels") or {})
    return in_labels or any(entry["name"] == workload for entry in listed(device))
