"""What a pod may be told about itself and its device, known before it is built.

`DeviceFacts` are the same for all pods of a device, `PodFacts` those of one pod. Everything that
builds a part of a pod takes the second; only `desired` and `feature` know the first.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field

from flotta.protocol.models import Workload
from flotta.worker.workloads.claim_names import ClaimNames

PodmanVersion = tuple[int, int, int]
OLDEST_PODMAN: PodmanVersion = (4, 3, 0)  # what is assumed when podman does not say
# The UIDs of pods are version 5 UUIDs in it (RFC 9562, section 5.5).
UID_NAMESPACE = uuid.UUID("5d0a1b52-0f7c-4c1e-9d63-7f2f1f3f3f0e")


@dataclass(frozen=True)
class DeviceFacts:
    """A device as its pods see their node.

    `cpus`, `memory` (bytes) and `storage` (bytes, of the file system with the volumes) are what all
    pods together can use at most. `claims` says which volume stands for which claim, `mounts`
    where file systems are mounted that export directories are on.
    """

    device_id: str = ""
    podman_version: PodmanVersion = OLDEST_PODMAN
    cpus: int = 1
    memory: int = 0
    storage: int = 0
    claims: ClaimNames = field(default_factory=ClaimNames)
    mounts: tuple[str, ...] = ()


@dataclass(frozen=True)
class PodFacts:
    """One pod as its containers may see it (docs/reference/device.md#the-pod).

    `labels` and `annotations` are those of the pod and those of its EdgeWorkload that it asks for.
    `device.device_id` is the name of the node.
    """

    name: str
    namespace: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    device: DeviceFacts = DeviceFacts()

    @classmethod
    def from_workload(cls, workload: Workload, device: DeviceFacts) -> PodFacts:
        """Return the facts of a workload's pod on a device."""
        return cls(
            name=workload.name,
            namespace=workload.namespace,
            labels={**(workload.field_labels or {}), **(workload.labels or {})},
            annotations={**(workload.field_annotations or {}), **(workload.annotations or {})},
            device=device,
        )

    @property
    def uid(self) -> str:
        """The pod's UID: the same as long as the workload has this name on this device."""
        path = "/".join((self.device.device_id, self.namespace, self.name))
        return str(uuid.uuid5(UID_NAMESPACE, path))
