"""Where each volume of a pod is on the device, and what podman gets for it.

podman 4.3 makes an emptyDir a volume of the whole host, which two pods share, ignores modes, and
refuses projected volumes. So it gets only directories of the host, and its own named volumes for
claims.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from flotta.worker.volumes.host_paths import CHECKED
from flotta.worker.volumes.plan import Claim, HostPathType, MemoryDirectory, ScratchDirectory
from flotta.worker.workloads.claim_names import DEFAULT_NAMESPACE
from flotta.worker.workloads.host_names import check_relative
from flotta.worker.workloads.pod_spec import EmptyDir, PodSpec, Volume, invalid_specification
from flotta.worker.workloads.quantities import parse_bytes
from flotta.worker.workloads.volume_files import Origins, VolumeFile, VolumeFiles, read_volume_files
from flotta.worker.workloads.workload_paths import WorkloadPaths

MEMORY = "Memory"
MAX_LIMIT = 1 << 60  # bytes: more than any device has, and what the kernel can read
DIGEST_LENGTH = 16  # hexadecimal digits


@dataclass(frozen=True)
class VolumePlace:
    """A volume as podman gets it.

    It is the directory `base` of the host, or the volume of podman that `claim` names. `files` are
    those that it consists of, by path inside it, None when a pod can write to it. `folder` is
    their directory below the workload's.
    """

    volume: Volume
    base: str = ""
    claim: Claim | None = None
    read_only: bool = False
    make_base: bool = False
    folder: PurePosixPath | None = None
    files: Mapping[PurePosixPath, VolumeFile] = field(default_factory=dict)
    scratch: ScratchDirectory | None = None
    memory: MemoryDirectory | None = None
    host_path: HostPathType | None = None


@dataclass(frozen=True)
class Surroundings:
    """What places depend on besides the volume itself."""

    origins: Origins
    paths: WorkloadPaths
    group: int | None


def place_volume(volume: Volume, around: Surroundings) -> VolumePlace:
    """Return the place of a volume.

    Raises WorkloadError for a reference that does not exist, and for what no device can do.
    """
    files = read_volume_files(volume, around.origins, around.group)
    host_path, claim = volume.get("hostPath"), volume.get("persistentVolumeClaim")
    if files is not None:
        return _place_files(volume["name"], files, around.paths)
    if "emptyDir" in volume or volume.keys() == {"name"}:  # Kubernetes' default
        return _place_scratch(volume["name"], volume.get("emptyDir") or {}, around)
    if claim is not None:
        namespace = around.origins.facts.namespace or DEFAULT_NAMESPACE
        name = around.origins.facts.device.claims.volume_of(namespace, claim["claimName"])
        return VolumePlace(
            {"name": volume["name"], "persistentVolumeClaim": {"claimName": name}},
            claim=Claim(claim["claimName"], name, namespace),
            read_only=bool(claim.get("readOnly")),
        )
    if host_path is not None:
        is_made = host_path.get("type") == "DirectoryOrCreate"
        path, kind = host_path["path"], host_path.get("type") or ""
        checked = HostPathType(volume["name"], path, kind) if kind in CHECKED else None
        return VolumePlace(volume, base=path, make_base=is_made, host_path=checked)
    return VolumePlace(volume)


def _place_files(name: str, files: VolumeFiles, paths: WorkloadPaths) -> VolumePlace:
    """Return a directory of files that podman mounts read-only.

    Its path has a digest, so that another content, mode or group makes another pod.
    """
    checked = {check_relative(path): file for path, file in files.items()}
    _check_parents(name, checked)
    folder = PurePosixPath("files") / digest(_serialize(files)) / name
    base = str(paths.directory / folder)
    return VolumePlace(
        {"name": name, "hostPath": {"path": base, "type": "Directory"}},
        base=base,
        read_only=True,
        folder=folder,
        files=checked,
    )


def _check_parents(name: str, files: Iterable[PurePosixPath]) -> None:
    known = set(files)
    for path in known:
        for parent in known.intersection(path.parents):
            raise invalid_specification(
                f'volume "{name}" has a file "{parent}" and a file "{path}" below it'
            )


def _serialize(files: VolumeFiles) -> bytes:
    """Return what a digest is made of; files of mode 0644 count as in earlier releases."""
    plain = VolumeFile(b"")
    parts: dict[str, object] = {
        path: file.content.hex()
        if (file.mode, file.group) == (plain.mode, plain.group)
        else [file.content.hex(), file.mode, file.group]
        for path, file in files.items()
    }
    return json.dumps(parts, sort_keys=True).encode()


def _place_scratch(name: str, source: EmptyDir, around: Surroundings) -> VolumePlace:
    medium = source.get("medium") or ""
    limit = _read_limit(name, source.get("sizeLimit") or 0)
    if medium == MEMORY:
        path = str(around.paths.mounts / f"m-{name}")
        size = min(filter(None, (limit, _memory_limit(around.origins.spec))), default=None)
        return VolumePlace(
            _directory(name, path), base=path, memory=MemoryDirectory(name, path, size)
        )
    if medium:
        raise invalid_specification(
            f'volume "{name}": devices have no medium {str(medium)[:40]!r}; leave it out, or use '
            f"{MEMORY}"
        )
    path = str(around.paths.scratch / name)
    spelt = str(source.get("sizeLimit")) if limit else ""
    return VolumePlace(
        _directory(name, path), base=path, scratch=ScratchDirectory(name, path, limit, spelt)
    )


def _read_limit(name: str, quantity: str | int) -> int | None:
    """Return `sizeLimit` in bytes; None without a limit, for which 0 stands, as in Kubernetes."""
    limit = parse_bytes(quantity)
    if limit < 0:
        raise invalid_specification(f'volume "{name}": sizeLimit {quantity} is negative')
    return min(limit, MAX_LIMIT) or None


def _directory(name: str, path: str) -> Volume:
    return {"name": name, "hostPath": {"path": path, "type": "Directory"}}


def _memory_limit(spec: PodSpec) -> int | None:
    """Return how many bytes of memory all containers may use; None without a limit for one.

    Init containers run one by one, before the others.
    """
    regular = [_limit_of(container) for container in spec["containers"]]
    first = [_limit_of(container) for container in spec.get("initContainers") or []]
    if None in regular or None in first:
        return None
    return max([sum(filter(None, regular)), *filter(None, first)])


def _limit_of(container: Mapping[str, object]) -> int | None:
    resources = container.get("resources")
    limits = resources.get("limits") if isinstance(resources, dict) else None
    limit = limits.get("memory") if isinstance(limits, dict) else None
    bytes_ = parse_bytes(limit) if limit else 0
    return min(bytes_, MAX_LIMIT) if bytes_ > 0 else None


def digest(data: bytes) -> str:
    """Return a short digest that can be part of a path."""
    return hashlib.sha256(data).hexdigest()[:DIGEST_LENGTH]
