"""What must be done before a pod starts so that its volumes are as its specification says.

`volumes.json` beside the manifest has the plan of one pod. All paths in it are absolute paths on
the host.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from flotta.durable_files import read_bounded

MAX_PLAN = 1 << 20  # bytes
NAME = "volumes.json"


class ScratchDirectory(msgspec.Struct, frozen=True, omit_defaults=True):
    """An `emptyDir` on disk; `size_limit` in bytes, None for no limit.

    `limit` is how the specification spells the limit.
    """

    name: str
    path: str
    size_limit: int | None = None
    limit: str = ""


class MemoryDirectory(msgspec.Struct, frozen=True, omit_defaults=True):
    """An `emptyDir` of medium Memory: a tmpfs; `size` in bytes, None for the kernel's default."""

    name: str
    path: str
    size: int | None = None


class Claim(msgspec.Struct, frozen=True):
    """A persistent volume claim and podman's name of the volume that stands for it."""

    name: str
    volume: str
    namespace: str


class SubPath(msgspec.Struct, frozen=True, omit_defaults=True):
    """A path inside a volume, mounted at `target`, which podman then mounts in a container.

    The volume is the directory `base`, or the volume `claim` of podman. `first` is what an init
    container mounts: it must exist before those run, the others are resolved after them.
    `make_base` makes the directory itself if it is missing.
    """

    volume: str
    path: str
    target: str
    base: str = ""
    claim: str = ""
    first: bool = False
    make_base: bool = False


class HostPathType(msgspec.Struct, frozen=True):
    """A `hostPath` of which podman does not check the type; `type` is that of the specification."""

    volume: str
    path: str
    type: str


class VolumePlan(msgspec.Struct, frozen=True, omit_defaults=True):
    """The volumes of one pod that need something before it starts.

    `group` (`fsGroup`) gets all directories here, those of claims and `shared`. With
    `on_mismatch`, trees whose root has it already are not gone through. A pod that is stopped
    because it takes more than a limit starts again unless `is_final`.
    """

    scratch: tuple[ScratchDirectory, ...] = ()
    memory: tuple[MemoryDirectory, ...] = ()
    claims: tuple[Claim, ...] = ()
    sub_paths: tuple[SubPath, ...] = ()
    group: int | None = None
    on_mismatch: bool = False
    shared: tuple[str, ...] = ()
    is_final: bool = False
    host_paths: tuple[HostPathType, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether a pod starts without any of this."""
        return self == VolumePlan()

    @property
    def is_late(self) -> bool:
        """Whether something is to be done after the init containers."""
        return any(not sub_path.first for sub_path in self.sub_paths)


def encode_plan(plan: VolumePlan) -> bytes:
    """Return the content of `volumes.json`."""
    return msgspec.json.encode(plan)


def read_plan(path: Path) -> VolumePlan:
    """Read a plan; raises OSError, and ValueError for a damaged one."""
    return msgspec.json.decode(read_bounded(path, MAX_PLAN), type=VolumePlan)
