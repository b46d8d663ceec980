"""One EdgeWorkload as a device gets it, with the ConfigMaps and Secrets its pod needs.

What is delivered from which field: docs/reference/control-plane.md#workloads.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import msgspec

from flotta.fleet.device_settings import render_allow_list
from flotta.fleet.field_references import select_texts
from flotta.fleet.references import (
    BrokenReference,
    ObjectSource,
    pod_references,
    require_value,
    resolve_reference,
)
from flotta.fleet.yaml_dumper import dump_yaml
from flotta.protocol import models
from flotta.protocol.metrics import ContainerMetrics, Metrics
from flotta.protocol.models import (
    DataConfiguration,
    ImageRegistries,
    Workload,
)
from flotta.resources.kinds import CONFIG_MAP, SECRET
from flotta.resources.objects.core import KeyedData
from flotta.resources.objects.meta import Manifest
from flotta.resources.objects.pods import PodSpec
from flotta.resources.objects.workloads import (
    DataPath,
    DataSection,
    EdgeWorkload,
    ImageRegistriesSection,
    WorkloadMetricsSection,
)
from flotta.resources.views import name_of, namespace_of, spec_of

CONTAINER_LISTS: tuple[Literal["initContainers", "containers"], ...] = (
    "initContainers",
    "containers",
)
PODMAN_PREFIX = "podman/"  # of labels and annotations that are passed on to the pod
REGISTRY_KEY = ".dockerconfigjson"


@dataclass(frozen=True)
class RenderedWorkload:
    """A workload and the Secrets it refers to, by name."""

    workload: Workload
    secrets: dict[str, models.Secret]


def render_workload(resource: EdgeWorkload, source: ObjectSource) -> RenderedWorkload:
    """Return the wire form of an EdgeWorkload.

    Raises BrokenReference when something it needs is missing.
    """
    metadata, spec, namespace = resource["metadata"], spec_of(resource), namespace_of(resource)
    pod = (spec.get("pod") or {}).get("spec") or {}
    config_maps, secrets = _render_references(pod, source, namespace)
    workload = Workload(
        name=metadata["name"],
        namespace=namespace,
        labels=_podman_texts(metadata.get("labels")),
        annotations=_podman_texts(metadata.get("annotations")),
        field_labels=select_texts(pod, "labels", metadata.get("labels") or {}) or None,
        field_annotations=select_texts(pod, "annotations", metadata.get("annotations") or {})
        or None,
        specification=dump_yaml(_with_resources(pod)),
        data=render_data(spec.get("data")),
        image_registries=_render_registries(spec.get("imageRegistries"), source, namespace),
        configmaps=config_maps or None,
        log_collection=spec.get("logCollection") or "",
        metrics=_render_metrics(spec.get("metrics") or {}, source, namespace),
    )
    return RenderedWorkload(workload, secrets)


def _render_references(
    pod: PodSpec, source: ObjectSource, namespace: str
) -> tuple[list[str], dict[str, models.Secret]]:
    config_maps: list[str] = []
    secrets: dict[str, models.Secret] = {}
    for reference in pod_references(pod):
        found = resolve_reference(reference, source, namespace)
        if found is None:
            continue
        if reference.kind is CONFIG_MAP:
            config_maps.append(_render_config_map(found))
        else:
            secrets[reference.name] = _render_secret(found)
    return config_maps, secrets


def _render_config_map(found: KeyedData) -> str:
    document = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        # Go writes the null; agents of v0.2 never got a ConfigMap without it.
        "metadata": {"creationTimestamp": None, "name": name_of(found)},
        "data": found.get("data"),
        "binaryData": found.get("binaryData"),
    }
    return dump_yaml({key: value for key, value in document.items() if value})


def _render_secret(found: KeyedData) -> models.Secret:
    # Sorted, so that the version of a configuration changes with its content alone.
    data = dict(sorted((found.get("data") or {}).items()))
    return models.Secret(name=name_of(found), data=msgspec.json.encode(data).decode())


def _with_resources(pod: PodSpec) -> Manifest:
    """Add the `resources: {}` that agents of v0.2 expect in each container."""
    result: dict[str, object] = dict(pod)
    for key in CONTAINER_LISTS:
        if containers := pod.get(key):
            result[key] = [{"resources": {}, **container} for container in containers]
    return result


def _podman_texts(texts: Mapping[str, str] | None) -> dict[str, str] | None:
    found = {
        key.removeprefix(PODMAN_PREFIX): value
        for key, value in sorted((texts or {}).items())
        if key.startswith(PODMAN_PREFIX)
    }
    return found or None


def render_data(section: DataSection | None) -> DataConfiguration | None:
    """Return what becomes of the files of a workload, None for one that says nothing of them."""
    if section is None:
        return None
    return DataConfiguration(
        egress=_render_paths(section.get("egress")),
        ingress=_render_paths(section.get("ingress")),
        retention=section.get("retention") or "",
    )


def _render_paths(items: list[DataPath] | None) -> list[models.DataPath] | None:
    return [
        models.DataPath(source=item["source"], target=item["target"]) for item in items or ()
    ] or None


def _render_registries(
    section: ImageRegistriesSection | None, source: ObjectSource, namespace: str
) -> ImageRegistries | None:
    name = ((section or {}).get("secretRef") or {}).get("name")
    if not name:
        return None
    encoded = require_value(source, SECRET, namespace, name, REGISTRY_KEY)
    try:
        return ImageRegistries(auth_file=base64.b64decode(encoded).decode())
    except (binascii.Error, UnicodeDecodeError) as error:
        raise BrokenReference(f"Secret {name!r}: {REGISTRY_KEY} is not text") from error


def _render_metrics(
    section: WorkloadMetricsSection, source: ObjectSource, namespace: str
) -> Metrics | None:
    if not section.get("port"):
        return None
    listed = (section.get("allowList") or {}).get("name")
    containers = {
        name: ContainerMetrics(
            disabled=bool(item.get("disabled")),
            path=item.get("path") or "",
            port=item.get("port") or 0,
        )
        for name, item in sorted((section.get("containers") or {}).items())
    }
    return Metrics(
        path=section.get("path") or "",
        port=section["port"],
        interval=section.get("interval") or 0,
        allow_list=render_allow_list(source, namespace, listed) if listed else None,
        containers=containers or None,
    )
