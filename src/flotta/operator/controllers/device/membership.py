"""Which workloads a device lists: entries of `status.workloads` and `workload/…` labels.

The operator adds and removes entries; the Edge API writes phase, times and reasons of existing ones
(docs/reference/control-plane.md#who-writes-which-status).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from flotta.fleet.former_labels import workloads_kept
from flotta.fleet.selection import workloads_for
from flotta.operator.controllers.device_views import workload_statuses
from flotta.operator.controllers.workload_labels import WORKLOAD_LABEL, workload_label
from flotta.protocol.phases import DEPLOYING
from flotta.resources.objects.devices import EdgeDevice, WorkloadStatus
from flotta.resources.objects.workloads import EdgeWorkload
from flotta.resources.views import labels_of, name_of


def wanted_workloads(device: EdgeDevice, workloads: Iterable[EdgeWorkload]) -> list[str]:
    """Return the names of the workloads that the device should run, sorted."""
    return [name_of(workload) for workload in workloads_for(device, workloads)]


def kept_workloads(device: EdgeDevice, workloads: Iterable[EdgeWorkload]) -> list[str]:
    """Return the names of listed workloads that the device keeps for a while, sorted."""
    names = map(name_of, workloads_kept(device, workloads))
    return [name for name in names if is_listed(device, name)]


def update_statuses(
    current: Sequence[WorkloadStatus], names: Sequence[str]
) -> list[WorkloadStatus] | None:
    """Return the new `status.workloads`, None when it is up to date."""
    kept = [entry for entry in current if entry["name"] in set(names)]
    present = {entry["name"] for entry in kept}
    added: list[WorkloadStatus] = [
        {"name": name, "phase": DEPLOYING} for name in names if name not in present
    ]
    return [*kept, *added] if added or len(kept) != len(current) else None


def change_labels(current: Mapping[str, str], names: Sequence[str]) -> dict[str, str | None]:
    """Return the labels to change (None removes a label); only those with our prefix change."""
    keys = {key for name in names if (key := workload_label(name))}
    changed: dict[str, str | None] = {
        key: "true" for key in sorted(keys) if current.get(key) != "true"
    }
    stale = [key for key in current if key.startswith(WORKLOAD_LABEL) and key not in keys]
    return changed | dict.fromkeys(stale)


def is_listed(device: EdgeDevice, workload: str) -> bool:
    """Tell whether the device lists the workload in its status or as a label."""
    in_labels = WORKLOAD_LABEL + workload in labels_of(device)
    return in_labels or any(entry["name"] == workload for entry in workload_statuses(device))
