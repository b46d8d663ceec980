"""Labels and annotations of an EdgeWorkload that its pod asks for by `fieldRef`.

A device gets only these: a label that nobody asks for must not make another configuration, and an
annotation can be as large as the object (docs/reference/control-plane.md#workloads).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

from flotta.pod_fields.field_paths import read_entry
from flotta.resources.objects.pods import DownwardVolume, FieldSelector, PodSpec

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"  # the whole object again
Texts = Literal["labels", "annotations"]


def select_texts(pod: PodSpec, kind: Texts, texts: Mapping[str, str]) -> dict[str, str]:
    """Return those of an object's labels or annotations that fields of the pod refer to."""
    keys: set[str] = set()
    for path in _list_paths(pod):
        entry = read_entry(path)
        if path == f"metadata.{kind}":
            keys |= texts.keys() - {LAST_APPLIED}
        elif entry is not None and entry.kind == kind:
            keys.add(entry.key)
    return {key: texts[key] for key in sorted(keys & texts.keys())}


def _list_paths(pod: PodSpec) -> Iterator[str]:
    for container in [*(pod.get("initContainers") or ()), *(pod.get("containers") or ())]:
        for variable in container.get("env") or ():
            yield _path_of((variable.get("valueFrom") or {}).get("fieldRef"))
    for volume in pod.get("volumes") or ():
        yield from _list_files(volume.get("downwardAPI"))
        for source in (volume.get("projected") or {}).get("sources") or ():
            yield from _list_files(source.get("downwardAPI"))


def _list_files(volume: DownwardVolume | None) -> Iterator[str]:
    for item in (volume or {}).get("items") or ():
        yield _path_of(item.get("fieldRef"))


def _path_of(selector: FieldSelector | None) -> str:
    return (selector or {}).get("fieldPath", "")
