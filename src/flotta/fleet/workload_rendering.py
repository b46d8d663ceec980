"""One EdgeWorkload as a device gets it, with the ConfigMaps and Secrets its pod needs."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from flotta.protocol.models import (
    ContainerMetrics,
    DataConfiguration,
    DataPath,
    ImageRegistries,
    Metrics,
    Secret,
    Workload,
)
from flotta.resources.kinds import CONFIG_MAP, SECRET

from .device_settings import allow_list
from .manifests import to_yaml
from .references import BrokenReference, Source, pod_references, required_value, resolve

Object = dict[str, Any]
PODMAN_PREFIX = "podman/"
REGISTRY_KEY = ".dockerconfigjson"


@dataclass(frozen=True)
class RenderedWorkload:
    """A workload and the Secrets it refers to, by name."""

    workload: Workload
    secrets: dict[str, Secret]


def render_workload(resource: Mapping[str, Any], source: Source) -> RenderedWorkload:
    """Return the wire form of an EdgeWorkload; BrokenReference when something it needs is missing."""
    metadata, spec = resource["metadata"], resource.get("spec") or {}
    namespace = metadata["namespace"]
    pod = (spec.get("pod") or {}).get("spec") or {}
    config_maps, secrets = _referenced(pod, source, namespace)
    workload = Workload(
        name=metadata["name"],
        namespace=namespace,
        labels=_forwarded(metadata.get("labels")),
        annotations=_forwarded(metadata.get("annotations")),
        specification=to_yaml(_with_resources(pod)),
        data=_data(spec.get("data")),
        image_registries=_image_registries(spec.get("imageRegistries"), source, namespace),
        configmaps=config_maps or None,
        log_collection=spec.get("logCollection") or "",
        metrics=_metrics(spec.get("metrics") or {}, source, namespace),
    )
    return RenderedWorkload(workload, secrets)


def _referenced(
    pod: Mapping[str, Any], source: Source, namespace: str
) -> tuple[list[str], dict[str, Secret]]:
    config_maps: list[str] = []
    secrets: dict[str, Secret] = {}
    for reference in pod_references(pod):
        found = resolve(reference, source, namespace)
        if found is None:
            continue
        if reference.kind is CONFIG_MAP:
            config_maps.append(_config_map(found))
        else:
            secrets[reference.name] = _secret(found)
    return config_maps, secrets


def _config_map(found: Object) -> str:
    document = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"creationTimestamp": None, "name": found["metadata"]["name"]},
    }
    document |= {key: found[key] for key in ("data", "binaryData") if found.get(key)}
    return to_yaml(document)


def _secret(found: Object) -> Secret:
    data = dict(sorted((found.get("data") or {}).items()))
    return Secret(name=found["metadata"]["name"], data=msgspec.json.encode(data).decode())


def _with_resources(pod: Mapping[str, Any]) -> Object:
    """Give each container the `resources: {}` that agents of v0.2 are used to."""
    result = dict(pod)
    for key in ("initContainers", "containers"):
        if pod.get(key):
            result[key] = [{"resources": {}, **container} for container in pod[key]]
    return result


def _forwarded(texts: Mapping[str, str] | None) -> dict[str, str] | None:
    found = {
        key.removeprefix(PODMAN_PREFIX): value
        for key, value in sorted((texts or {}).items())
        if key.startswith(PODMAN_PREFIX)
    }
    return found or None


def _data(section: Mapping[str, Any] | None) -> DataConfiguration | None:
    if section is None:
        return None
    return DataConfiguration(
        egress=_paths(section.get("egress")), ingress=_paths(section.get("ingress"))
    )


def _paths(items: list[Object] | None) -> list[DataPath] | None:
    return [DataPath(source=one["source"], target=one["target"]) for one in items or ()] or None


def _image_registries(
    section: Mapping[str, Any] | None, source: Source, namespace: str
) -> ImageRegistries | None:
    name = ((section or {}).get("secretRef") or {}).get("name")
    if not name:
        return None
    encoded = required_value(source, SECRET, namespace, name, REGISTRY_KEY)
    try:
        return ImageRegistries(auth_file=base64.b64decode(encoded).decode())
    except (binascii.Error, UnicodeDecodeError) as error:
        raise BrokenReference(f"Secret {name!r}: {REGISTRY_KEY} is not text") from error


def _metrics(section: Mapping[str, Any], source: Source, namespace: str) -> Metrics | None:
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
        allow_list=allow_list(source, namespace, listed) if listed else None,
        containers=containers or None,
    )
