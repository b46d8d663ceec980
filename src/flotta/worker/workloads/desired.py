"""What should run: the pods that a configuration asks for, and those that cannot be built."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from flotta.protocol.models import DeviceConfigurationMessage, Secret, Workload
from flotta.worker.errors import WorkloadError
from flotta.worker.workloads.files import WorkloadFiles
from flotta.worker.workloads.manifest import Pod, build_pod


@dataclass(frozen=True)
class Desired:
    """Pods by name, and the workloads that cannot be built, with the cause."""

    pods: Mapping[str, Pod] = field(default_factory=dict)
    broken: Mapping[str, WorkloadError] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """Everything that is configured, whether it can be built or not."""
        return [*self.pods, *self.broken]


def build_desired(
    message: DeviceConfigurationMessage, device_id: str, files: WorkloadFiles
) -> Desired:
    """Build the pod of each workload; one that cannot be built does not affect the others.

    `device_id` is used for a message without one.
    """
    pods: dict[str, Pod] = {}
    broken: dict[str, WorkloadError] = {}
    secrets = message.secrets or []
    for workload in message.workloads or []:
        try:
            pods[workload.name] = _build_pod(
                workload, secrets, message.device_id or device_id, files
            )
        except WorkloadError as error:
            broken[workload.name] = error
    return Desired(pods, broken)


def _build_pod(
    workload: Workload, secrets: list[Secret], device_id: str, files: WorkloadFiles
) -> Pod:
    paths = files.paths_of(workload.name)
    try:
        return build_pod(workload, secrets, device_id, paths)
    except (TypeError, AttributeError, KeyError, ValueError) as error:
        raise WorkloadError(
            "InvalidSpecification",
            f"the pod specification has an unexpected shape: {error}",
            permanent=True,
        ) from error
