"""`subPath` and `subPathExpr`: a mount of a path inside a volume.

podman 4.3 ignores both. A path inside files of ours is a host path. A path inside a volume that a
container can write to is mounted by the unit at every start, and podman gets that mount
(`flotta.worker.volumes.safe_paths` says why).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from flotta.worker.volumes.plan import SubPath
from flotta.worker.workloads.host_names import check_relative
from flotta.worker.workloads.pod_spec import (
    Container,
    PodSpec,
    Volume,
    VolumeMount,
    invalid_specification,
)
from flotta.worker.workloads.variables import expand_all
from flotta.worker.workloads.volume_places import VolumePlace, digest


@dataclass(frozen=True)
class PathMount:
    """A path inside a volume, as podman gets it: a volume of its own.

    `step` is what the unit mounts for it; None for files of ours.
    """

    volume: Volume
    step: SubPath | None = None
    folder: PurePosixPath | None = None


def mount_sub_paths(
    spec: PodSpec, places: Mapping[str, VolumePlace], mounts: Path
) -> list[PathMount]:
    """Point mounts with a `subPath` to volumes of their own, and return those, each once.

    `mounts` is the directory of the workload's mount points. Raises WorkloadError for a path that
    leaves its volume, or that names nothing in a volume of files.
    """
    found: dict[str, PathMount] = {}
    for container, mount, is_first in _list_mounts(spec):
        path = _read_path(container, mount)
        if path is None:
            continue
        made = _mount_path(mount["name"], places[mount["name"]], path, mounts, is_first)
        mount["name"] = made.volume["name"]
        found[mount["name"]] = made
    return list(found.values())


def _list_mounts(spec: PodSpec) -> Iterator[tuple[Container, VolumeMount, bool]]:
    """Yield container and mount, and whether the container runs before the regular ones."""
    for containers, is_first in ((spec.get("initContainers"), True), (spec["containers"], False)):
        for container in containers or []:
            for mount in container.get("volumeMounts") or []:
                yield container, mount, is_first


def _read_path(container: Container, mount: VolumeMount) -> PurePosixPath | None:
    """Take the path out of a mount; None when the whole volume is mounted."""
    plain, expression = mount.pop("subPath", ""), mount.pop("subPathExpr", "")
    if expression:
        values = {entry["name"]: entry.get("value", "") for entry in container.get("env") or []}
        plain = expand_all(str(expression), values)
    if not plain:
        return None
    path = check_relative(str(plain))
    return path if path.parts else None


def _mount_path(
    name: str, place: VolumePlace, path: PurePosixPath, mounts: Path, is_first: bool
) -> PathMount:
    identity = digest(json.dumps([name, str(path), is_first]).encode())
    own_name = f"{name}-{identity}"
    if place.folder is not None:
        return _mount_file(own_name, place, path)
    if not place.base and place.claim is None:
        raise invalid_specification(f'volume "{name}" has no paths inside it that can be mounted')
    target = str(mounts / f"p-{identity}")
    step = SubPath(
        volume=name,
        path=str(path),
        target=target,
        base=place.base,
        claim=place.claim.volume if place.claim else "",
        first=is_first,
        make_base=place.make_base,
    )
    return PathMount({"name": own_name, "hostPath": {"path": target}}, step)


def _mount_file(own_name: str, place: VolumePlace, path: PurePosixPath) -> PathMount:
    """Return the mount of a file, or directory, of a volume that consists of files of ours.

    In a volume without files, of something optional that does not exist, it is an empty directory.
    """
    host_path = f"{place.base}/{path}"
    if path in place.files:
        return PathMount({"name": own_name, "hostPath": {"path": host_path, "type": "File"}})
    if place.files and not any(path in known.parents for known in place.files):
        known = ", ".join(sorted(map(str, place.files))[:5])
        raise invalid_specification(
            f'volume "{place.volume["name"]}" has no path "{path}" to mount; it has {known}'
        )
    folder = place.folder / path if place.folder and not place.files else None
    volume: Volume = {"name": own_name, "hostPath": {"path": host_path, "type": "Directory"}}
    return PathMount(volume, folder=folder)
