"""Fields of an EdgeDevice, and of its settings in effect, that several controllers read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from flotta.fleet.presence import ready_status
from flotta.resources.kinds import MEMBER_LABEL
from flotta.resources.objects.device_settings import DeviceSettings, EdgeDeviceSet, S3Section
from flotta.resources.objects.devices import EdgeDevice, WorkloadStatus
from flotta.resources.views import is_being_deleted, labels_of, status_of

COUNTS_DELAY = 1.0  # seconds in which changes of many devices are combined into one write


def set_name(device: EdgeDevice) -> str | None:
    """Return the name of the EdgeDeviceSet that the device is labelled with."""
    return labels_of(device).get(MEMBER_LABEL) or None


def members_of(devices: Iterable[EdgeDevice], name: str) -> list[EdgeDevice]:
    """Return the members of a set that are not being deleted, from devices of its namespace."""
    return [
        device for device in devices if set_name(device) == name and not is_being_deleted(device)
    ]


def workload_statuses(device: EdgeDevice) -> Sequence[WorkloadStatus]:
    """Return `status.workloads` of the device."""
    return status_of(device).get("workloads") or ()


def storage_section(resource: EdgeDevice | EdgeDeviceSet) -> S3Section:
    """Return `spec.storage.s3` of a device or set, empty when there is none."""
    spec: DeviceSettings = resource.get("spec") or {}
    return (spec.get("storage") or {}).get("s3") or {}


def is_ready(device: EdgeDevice) -> bool:
    """Tell whether the device was heard from in time and is not degraded."""
    return ready_status(status_of(device)) == "True"


def is_silent(device: EdgeDevice) -> bool:
    """Tell whether heartbeats of the device no longer come."""
    return ready_status(status_of(device)) == "Unknown"
