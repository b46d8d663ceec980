"""The volumes of a pod: what podman gets, the files on the device, and what precedes each start.

Rules: docs/reference/device.md#volumes.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from flotta.worker.volumes.plan import MAX_PLAN, VolumePlan, encode_plan
from flotta.worker.workloads.export_owner import ContainerUser, list_users
from flotta.worker.workloads.pod_facts import PodFacts
from flotta.worker.workloads.pod_spec import (
    PodSpec,
    Volume,
    invalid_specification,
    list_containers,
)
from flotta.worker.workloads.references import Sources
from flotta.worker.workloads.sub_paths import PathMount, mount_sub_paths
from flotta.worker.workloads.volume_files import Origins, VolumeFile
from flotta.worker.workloads.volume_places import Surroundings, VolumePlace, place_volume
from flotta.worker.workloads.workload_paths import WorkloadPaths

EXPORT = "/export"
ON_ROOT_MISMATCH = "OnRootMismatch"
MAX_GROUP = (1 << 31) - 1  # as Kubernetes


@dataclass(frozen=True)
class PodVolumes:
    """What a pod's volumes need on the device.

    `files` and `folders` are relative to the workload's directory; the unit carries out `plan` at
    every start. `users` write to the export directory.
    """

    files: dict[PurePosixPath, VolumeFile] = field(default_factory=dict)
    folders: frozenset[PurePosixPath] = frozenset()
    plan: VolumePlan = field(default_factory=VolumePlan)
    users: tuple[ContainerUser, ...] = ()

    @property
    def identity(self) -> tuple[str, ...]:
        """What makes another pod besides the manifest, as text; nothing for no plan."""
        return () if self.plan.is_empty else (encode_plan(self.plan).decode(),)


def render_volumes(
    spec: PodSpec, sources: Sources, paths: WorkloadPaths, facts: PodFacts
) -> PodVolumes:
    """Replace volumes and mounts of a specification by those that podman gets.

    The environment of the containers is resolved already, for `subPathExpr`. Raises WorkloadError
    for a reference that does not exist, and for what cannot work.
    """
    group = _take_group(spec)
    _add_export(spec, paths)
    _check_mounts(spec)
    around = Surroundings(Origins(spec, sources, facts), paths, group)
    places = {volume["name"]: place_volume(volume, around) for volume in spec.get("volumes") or []}
    _mount_read_only(spec, {name for name, place in places.items() if place.read_only})
    inner = mount_sub_paths(spec, places, paths.mounts)
    volumes = [place.volume for place in places.values()]
    spec["volumes"] = [*volumes, *(mount.volume for mount in inner)]
    plan = _make_plan(spec, paths, places, inner)
    if len(encode_plan(plan)) > MAX_PLAN:
        raise invalid_specification("the pod has too many volumes and paths inside them")
    files, folders = _list_files(places), _list_folders(places, inner)
    return PodVolumes(files, folders, plan, list_users(spec))


def _take_group(spec: PodSpec) -> int | None:
    """Return `fsGroup`; each process of the pod gets it as another of its groups."""
    context = spec.get("securityContext") or {}
    group = context.get("fsGroup")
    if group is None:
        return None
    if isinstance(group, bool) or not isinstance(group, int) or not 0 <= group <= MAX_GROUP:
        raise invalid_specification(f"fsGroup {str(group)[:40]} is not between 0 and {MAX_GROUP}")
    groups = context.get("supplementalGroups") or []
    context["supplementalGroups"] = list(dict.fromkeys([*groups, group]))
    return group


def _add_export(spec: PodSpec, paths: WorkloadPaths) -> None:
    """Mount the export directory in every container, in the place of what is at `/export`."""
    name = f"export-{paths.directory.name}"
    own: Volume = {
        "name": name,
        "hostPath": {"path": str(paths.export), "type": "DirectoryOrCreate"},
    }
    others = [other for other in spec.get("volumes") or [] if other["name"] != name]
    spec["volumes"] = [*others, own]
    for container in list_containers(spec):
        mounts = container.get("volumeMounts") or []
        kept = [mount for mount in mounts if mount.get("mountPath", "").rstrip("/") != EXPORT]
        container["volumeMounts"] = [*kept, {"name": name, "mountPath": EXPORT}]


def _check_mounts(spec: PodSpec) -> None:
    """Raise WorkloadError for a mount without its volume: podman says so when it is too late."""
    known = {volume["name"] for volume in spec.get("volumes") or []}
    for container in list_containers(spec):
        for mount in container.get("volumeMounts") or []:
            if mount["name"] not in known:
                raise invalid_specification(
                    f'container "{container["name"]}" mounts the volume "{mount["name"]}", which '
                    "the pod does not have"
                )


def _mount_read_only(spec: PodSpec, volumes: Set[str]) -> None:
    for container in list_containers(spec):
        for mount in container.get("volumeMounts") or []:
            if mount["name"] in volumes:
                mount["readOnly"] = True


def _list_files(places: dict[str, VolumePlace]) -> dict[PurePosixPath, VolumeFile]:
    return {
        place.folder / path: file
        for place in places.values()
        if place.folder is not None
        for path, file in place.files.items()
    }


def _list_folders(
    places: dict[str, VolumePlace], inner: list[PathMount]
) -> frozenset[PurePosixPath]:
    own = (place.folder for place in places.values())
    return frozenset(filter(None, [*own, *(mount.folder for mount in inner)]))


def _make_plan(
    spec: PodSpec, paths: WorkloadPaths, places: dict[str, VolumePlace], inner: list[PathMount]
) -> VolumePlan:
    context = spec.get("securityContext") or {}
    group = context.get("fsGroup")
    scratch = tuple(place.scratch for place in places.values() if place.scratch)
    is_limited = any(directory.size_limit for directory in scratch)
    return VolumePlan(
        scratch=scratch,
        memory=tuple(place.memory for place in places.values() if place.memory),
        claims=tuple({place.claim: None for place in places.values() if place.claim}),
        sub_paths=tuple(mount.step for mount in inner if mount.step),
        group=group,
        on_mismatch=context.get("fsGroupChangePolicy") == ON_ROOT_MISMATCH,
        shared=(str(paths.export),) if group is not None else (),
        is_final=is_limited and spec.get("restartPolicy") == "Never",
        host_paths=tuple(
            place.host_path
            for place in places.values()
            if place.host_path and place.base != str(paths.export)
        ),
    )
