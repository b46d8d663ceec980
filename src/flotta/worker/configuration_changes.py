"""What counts as a change of a configuration: its content, not its versions or the order of lists.

Control planes of v0.2 send the version of their EdgeDevice, which every heartbeat changes, and the
ConfigMaps of a workload in random order (docs/reference/device.md#checks-of-a-message).
"""

from __future__ import annotations

from msgspec.structs import replace

from flotta.protocol.models import DeviceConfigurationMessage, Workload


def has_same_content(
    message: DeviceConfigurationMessage, other: DeviceConfigurationMessage | None
) -> bool:
    """Tell whether two messages ask the same of the device."""
    return other is not None and _normalize(message) == _normalize(other)


def keep_unchanged_workloads(
    message: DeviceConfigurationMessage, before: DeviceConfigurationMessage | None
) -> DeviceConfigurationMessage:
    """Return the message with each workload that asks the same as in `before` as it is there.

    Its pod would be restarted for another order otherwise. Return the message itself if nothing is
    kept.
    """
    known = {workload.name: workload for workload in (before and before.workloads) or []}
    received = message.workloads or []
    workloads = [_keep_unchanged(workload, known.get(workload.name)) for workload in received]
    return message if workloads == received else replace(message, workloads=workloads)


def _keep_unchanged(workload: Workload, before: Workload | None) -> Workload:
    return before if before and _sort_configmaps(workload) == _sort_configmaps(before) else workload


def _normalize(message: DeviceConfigurationMessage) -> DeviceConfigurationMessage:
    workloads = sorted(message.workloads or [], key=lambda workload: workload.name)
    secrets = sorted(message.secrets or [], key=lambda secret: (secret.name, secret.data))
    return replace(
        message,
        version="",
        inputs_version=None,
        workloads=list(map(_sort_configmaps, workloads)),
        secrets=secrets,
    )


def _sort_configmaps(workload: Workload) -> Workload:
    return replace(workload, configmaps=sorted(workload.configmaps or []))
