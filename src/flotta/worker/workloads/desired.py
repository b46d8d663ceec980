"""What should run: the pods that a configuration asks for, and those that cannot be built."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from flotta.protocol.models import (
    DataConfiguration,
    DeviceConfigurationMessage,
    Secret,
    Workload,
)
from flotta.protocol.reasons.workloads import INVALID_SPECIFICATION
from flotta.worker.errors import WorkloadError
from flotta.worker.workloads.files import WorkloadFiles
from flotta.worker.workloads.manifest import Pod, build_pod
from flotta.worker.workloads.pod_facts import DeviceFacts

MAX_CAUSE = 300  # characters of an error that quotes the specification


@dataclass(frozen=True)
class Desired:
    """Pods by name, and the workloads that cannot be built, with the cause.

    `held` are installed workloads that stay as they are, because what is desired is not known.
    `broken_data` is what the configuration says about the files of both, where it says something,
    `leaving_data` what the last one that had them said about the files of installed workloads that
    are to be removed.
    """

    pods: Mapping[str, Pod] = field(default_factory=dict)
    broken: Mapping[str, WorkloadError] = field(default_factory=dict)
    held: frozenset[str] = frozenset()
    broken_data: Mapping[str, DataConfiguration | None] = field(default_factory=dict)
    leaving_data: Mapping[str, DataConfiguration | None] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """Everything that stays on the device, whether it can be built or not."""
        return [*self.pods, *self.broken, *sorted(self.held)]

    def digest_of(self, name: str) -> str:
        """Return the digest of a pod, empty for one that cannot be built or is not desired."""
        return self.pods[name].digest if name in self.pods else ""

    @property
    def untouched(self) -> set[str]:
        """The workloads of which what is installed stays as it is, and runs on."""
        return {*self.broken, *self.held}

    def follow(self, before: Desired, installed: Iterable[str]) -> Desired:
        """Return this with what `before` said about the files of workloads that are gone from it.

        A removal can come before the device has noted what the configuration before it changed.
        """
        leaving = set(installed).difference(self.names)
        known = {**before.leaving_data, **before.broken_data}
        known |= {name: pod.data for name, pod in before.pods.items()}
        return replace(self, leaving_data={k: v for k, v in known.items() if k in leaving})


def build_desired(
    message: DeviceConfigurationMessage,
    device: DeviceFacts,
    files: WorkloadFiles,
    *,
    may_remove: bool = True,
) -> Desired:
    """Build the pod of each workload; one that cannot be built does not affect the others.

    The id in `device` is used for a message without one. Without `may_remove`, every installed
    workload that is not configured is held.
    """
    pods: dict[str, Pod] = {}
    broken: dict[str, WorkloadError] = {}
    data: dict[str, DataConfiguration | None] = {}
    secrets = message.secrets or []
    device = replace(device, device_id=message.device_id or device.device_id)
    for workload in message.workloads or []:
        try:
            pods[workload.name] = _build_pod(workload, secrets, device, files)
        except WorkloadError as error:
            broken[workload.name] = error
            data[workload.name] = workload.data
    absent = files.list_installed().keys() - pods.keys() - broken.keys()
    unresolved = set(message.unresolved_workloads or ())
    held = frozenset(absent & unresolved if may_remove else absent)
    told = message.unresolved_data or {}
    data |= {name: told[name] for name in held & told.keys()}
    return Desired(pods, broken, held, data)


def _build_pod(
    workload: Workload, secrets: list[Secret], device: DeviceFacts, files: WorkloadFiles
) -> Pod:
    paths = files.paths_of(workload.name)
    try:
        return build_pod(workload, secrets, device, paths)
    except WorkloadError:
        raise
    except Exception as error:  # of any shape: the other workloads must be built
        raise WorkloadError(
            INVALID_SPECIFICATION,
            f"the pod specification has an unexpected shape: {str(error)[:MAX_CAUSE]}",
            permanent=True,
        ) from error
