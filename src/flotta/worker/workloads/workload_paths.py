"""Where the files of one workload are on the device."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from flotta.worker.pod_unit.plan import ADDRESSED_INIT, ADDRESSED_MANIFEST, STARTED_PLAN

MOUNTS = Path("/run/flotta-volumes")  # gone after a reboot, like what is mounted below it


@dataclass(frozen=True)
class WorkloadPaths:
    """Host paths of one workload."""

    directory: Path
    export: Path
    mounts_dir: Path = MOUNTS

    @property
    def manifest(self) -> Path:
        """What podman plays; it contains secrets."""
        return self.directory / "pod.yaml"

    @property
    def init_manifest(self) -> Path:
        """What podman makes of the init containers, if there are any; it contains secrets."""
        return self.directory / "init.yaml"

    @property
    def addressed_manifest(self) -> Path:
        """The manifest as the unit has completed it, if it has marks for addresses."""
        return self.directory / ADDRESSED_MANIFEST

    @property
    def addressed_init(self) -> Path:
        """The manifest of the init containers as the unit has completed it."""
        return self.directory / ADDRESSED_INIT

    @property
    def process_plan(self) -> Path:
        """What the unit does besides podman, if there is something to do."""
        return self.directory / "process.json"

    @property
    def started_plan(self) -> Path:
        """The plan by which the pod that runs was started, if it has hooks."""
        return self.directory / STARTED_PLAN

    @property
    def started_grace(self) -> Path:
        """A link whose target is the grace period of the pod that runs, in seconds.

        A link needs no room on the disk, and is never half written.
        """
        return self.directory / "grace.started"

    @property
    def auth_file(self) -> Path:
        """Credentials for registries, if the workload has any."""
        return self.directory / "auth.json"

    @property
    def plan(self) -> Path:
        """What the unit does for the volumes before podman, if there is something to do."""
        return self.directory / "volumes.json"

    @property
    def scratch(self) -> Path:
        """The directories of `emptyDir` volumes on disk."""
        return self.directory / "volumes"

    @property
    def interruption(self) -> Path:
        """Why the worker has stopped the pod before it had finished, while it has."""
        return self.directory / "interrupted.json"

    @property
    def mounts(self) -> Path:
        """Mount points of the workload's tmpfs and of paths inside its volumes."""
        return self.mounts_dir / self.directory.name
