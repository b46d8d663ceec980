"""Claims of this device: which volumes of podman stand for them, and their removal.

A claim's volume stays when its workload is removed, and goes when the device is decommissioned.
`claims.json` remembers what podman cannot tell: the volumes of earlier releases, which had no
labels and the claim's bare name (`claim_names`).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

import msgspec

from flotta.durable_files import read_bounded, write_atomically
from flotta.protocol.reasons.device_programs import STATE_NOT_STORED
from flotta.tree_removal import RemovalFailure
from flotta.worker import podman_storage
from flotta.worker.podman_storage import StoredVolume
from flotta.worker.volumes.preparation import CLAIM_LABEL
from flotta.worker.workloads.claim_names import DEFAULT_NAMESPACE, PREFIX, ClaimNames
from flotta.worker.workloads.files import WorkloadFiles
from flotta.worker.workloads.installed_manifests import list_shared_volumes
from flotta.worker.workloads.manifest import Pod

log = logging.getLogger(__name__)

FILE = "claims.json"
MAX_FILE = 1 << 20  # bytes


class ClaimRecord(msgspec.Struct):
    """`claims.json`.

    `standing` are volumes with a bare name that claims of `namespace` keep. `used` are those of
    them that a pod of this device has mounted.
    """

    namespace: str = ""
    standing: list[str] = []
    used: list[str] = []


class Claims:
    """The claims of this device; what is stored is in `claims.json` of the state directory."""

    def __init__(self, state_dir: Path, files: WorkloadFiles) -> None:
        self._path = state_dir / FILE
        self._files = files
        self._record = ClaimRecord()
        self._stored: ClaimRecord | None = None  # what the file has
        self._is_whole = True  # podman has said what stands

    async def prepare(self) -> None:
        """Read which volumes stand; after an upgrade, ask podman once."""
        self._stored = self._read()
        if self._stored is not None:
            self._record = msgspec.structs.replace(self._stored)
        elif self._files.workloads_dir.exists():
            await self._look_for_standing()

    def names(self, namespace: str) -> ClaimNames:
        """Return which volume stands for which claim; `namespace` is that of the workloads.

        The first one after an upgrade keeps the volumes that stand.
        """
        if self._record.standing and not self._record.namespace:
            self._record.namespace = namespace or DEFAULT_NAMESPACE
        return ClaimNames(self._record.namespace, frozenset(self._record.standing))

    def note_used(self, pods: Iterable[Pod]) -> None:
        """Remember which volumes with a bare name pods use: they go with the device."""
        volumes = {claim.volume for pod in pods for claim in pod.volumes.plan.claims}
        bare = volumes.intersection(self._record.standing).difference(self._record.used)
        self._record.used += sorted(bare)
        self._store()

    async def remove_all(self) -> list[RemovalFailure]:
        """Remove the volumes of every claim, and return those that are left."""
        volumes = await podman_storage.list_volumes()
        if volumes is None:
            return [RemovalFailure("podman's volumes", "podman does not list them")]
        left: list[RemovalFailure] = []
        for volume in volumes:
            if CLAIM_LABEL in volume.labels or volume.name in self._record.used:
                left += await podman_storage.remove_volume(volume.name)
        if not left:
            self._record, self._stored = ClaimRecord(), None
        return left

    def _read(self) -> ClaimRecord | None:
        try:
            return msgspec.json.decode(read_bounded(self._path, MAX_FILE), type=ClaimRecord)
        except (OSError, ValueError):
            return None

    async def _look_for_standing(self) -> None:
        claims, scratch = list_shared_volumes(self._files)
        volumes = await podman_storage.list_volumes()
        self._is_whole = volumes is not None
        if volumes is None:  # asked again at the next start
            self._record = ClaimRecord(standing=sorted(claims), used=sorted(claims))
            return
        plain = {volume.name for volume in volumes if _may_be_claim(volume)}
        self._record = ClaimRecord(
            standing=sorted(plain - (scratch - claims)), used=sorted(plain & (claims | scratch))
        )
        self._store()

    def _store(self) -> None:
        if self._record == self._stored or not self._is_whole:
            return
        try:
            write_atomically(self._path, msgspec.json.encode(self._record))
        except OSError as error:
            log.error("%s cannot be written: %s [%s]", self._path, error, STATE_NOT_STORED)
        else:
            self._stored = msgspec.structs.replace(self._record, used=list(self._record.used))


def _may_be_claim(volume: StoredVolume) -> bool:
    return volume.is_plain and not volume.name.startswith(f"{PREFIX}.")
