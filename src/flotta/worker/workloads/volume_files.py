"""The files of volumes that are made from ConfigMaps, Secrets and fields of the pod.

Kinds, defaults and modes are those of Kubernetes
(docs/reference/device.md#configmaps-secrets-and-environment).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from flotta.worker.errors import WorkloadError
from flotta.worker.workloads.downward_api import read_field, read_resource
from flotta.worker.workloads.pod_facts import PodFacts
from flotta.worker.workloads.pod_spec import (
    DownwardFile,
    KeyedSource,
    KeyToPath,
    PodSpec,
    ProjectedSource,
    Volume,
    invalid_specification,
)
from flotta.worker.workloads.references import NOT_FOUND, Sources

DEFAULT_MODE = 0o644
MAX_MODE = 0o777  # permission bits alone, as Kubernetes
GROUP_READS = 0o440  # what `fsGroup` adds to each file


@dataclass(frozen=True)
class VolumeFile:
    """A file of a volume; `group` is its owning group, None for root's."""

    content: bytes
    mode: int = DEFAULT_MODE
    group: int | None = None


VolumeFiles = dict[str, VolumeFile]


@dataclass(frozen=True)
class Origins:
    """What files of a pod's volumes can come from."""

    spec: PodSpec
    sources: Sources
    facts: PodFacts


def read_volume_files(
    volume: Volume, origins: Origins, group: int | None = None
) -> VolumeFiles | None:
    """Return path → file of a volume that consists of files, None for another one.

    `group` is the pod's `fsGroup`. Raises WorkloadError for a missing object that is not optional,
    and for a mode or field that cannot be. The paths are not checked.
    """
    found = _read_files(volume, origins)
    if found is None or group is None:
        return found
    return {
        path: replace(file, mode=file.mode | GROUP_READS, group=group)
        for path, file in found.items()
    }


def _read_files(volume: Volume, origins: Origins) -> VolumeFiles | None:
    secret, projected = volume.get("secret"), volume.get("projected")
    if secret is not None:
        mode = _read_mode(secret.get("defaultMode"))
        return _read_items("Secret", str(secret.get("secretName")), secret, origins.sources, mode)
    if projected is not None:
        mode = _read_mode(projected.get("defaultMode"))
        parts = [_read_source(part, origins, mode) for part in projected.get("sources") or []]
        return {path: file for part in parts for path, file in part.items()}
    config_map, downward = volume.get("configMap"), volume.get("downwardAPI")
    if config_map is not None:
        mode = _read_mode(config_map.get("defaultMode"))
        return _read_source({"configMap": config_map}, origins, mode)
    if downward is not None:
        mode = _read_mode(downward.get("defaultMode"))
        return _read_source({"downwardAPI": downward}, origins, mode)
    return None


def _read_source(source: ProjectedSource, origins: Origins, mode: int) -> VolumeFiles:
    """Return the files of one source of a projected volume."""
    config_map, secret = source.get("configMap"), source.get("secret")
    downward = source.get("downwardAPI")
    if config_map is not None:
        name = str(config_map.get("name"))
        return _read_items("ConfigMap", name, config_map, origins.sources, mode)
    if secret is not None:
        return _read_items("Secret", str(secret.get("name")), secret, origins.sources, mode)
    if downward is not None:
        return {
            item["path"]: VolumeFile(
                _read_downward(item, origins).encode(), _read_mode(item.get("mode"), mode)
            )
            for item in downward.get("items") or []
        }
    raise invalid_specification(
        f"a projected volume has a source of the kind {', '.join(map(str, source)) or 'none'}, "
        "which devices do not have"
    )


def _read_downward(item: DownwardFile, origins: Origins) -> str:
    """Return the text of a file; addresses are known too late for one, as in Kubernetes."""
    field, resource = item.get("fieldRef"), item.get("resourceFieldRef")
    if resource is not None:
        return read_resource(resource, origins.spec, None, origins.facts)
    path = str((field or {}).get("fieldPath"))
    if not path.startswith("metadata."):
        raise invalid_specification(f"the field {path[:80]!r} of a pod cannot be in a file")
    return read_field(path, origins.spec, origins.facts)


def _read_items(
    kind: str, name: str, source: KeyedSource, sources: Sources, mode: int
) -> VolumeFiles:
    optional = bool(source.get("optional"))
    values = sources.read_values(kind, name, optional=optional)
    chosen = source.get("items")
    if not chosen:
        return {key: VolumeFile(value, mode) for key, value in values.items()}
    missing = [item["key"] for item in chosen if item["key"] not in values]
    if missing and not optional:
        raise WorkloadError(
            NOT_FOUND[kind], f'{kind} "{name}" has no key "{missing[0]}"', permanent=True
        )
    return {
        item["path"]: VolumeFile(values[item["key"]], _read_mode(item.get("mode"), mode))
        for item in _without(missing, chosen)
    }


def _without(missing: list[str], items: list[KeyToPath]) -> Iterator[KeyToPath]:
    return (item for item in items if item["key"] not in missing)


def _read_mode(value: object, default: int = DEFAULT_MODE) -> int:
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_MODE:
        raise invalid_specification(
            f"the mode {str(value)[:20]} of a volume is not between 0 and 0777 (511)"
        )
    return value
