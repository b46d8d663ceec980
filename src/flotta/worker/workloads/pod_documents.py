"""The manifests of a pod: what podman plays, and what it makes of the init containers."""

from __future__ import annotations

import copy
import json
import re
from typing import Any

from flotta.worker.pod_unit.plan import HOST_ADDRESS, POD_ADDRESS, init_pod_of
from flotta.worker.workloads.pod_facts import PodmanVersion

MAX_HOST_NAME = 63  # characters; Kubernetes shortens the name of a pod to that
EXPANDING_PODMAN: PodmanVersion = (4, 7, 0)  # the first to expand commands and arguments
HOOKS = ("postStart", "preStop")
# What init containers do not have, or what only regular ones do.
NOT_INITIAL = ("ports", "lifecycle", "livenessProbe", "readinessProbe", "startupProbe")
# Some of these have a meaning in YAML, or are not allowed in it.
ESCAPED = re.compile("[\x7f-\uffff]")
Document = dict[str, Any]  # a manifest of any pod: most of it is podman's


def protect_commands(pod: Document, podman: PodmanVersion) -> Document:
    """Return a Pod whose commands and arguments arrive as they are.

    Their variables are replaced already. A later podman would do that again, also with variables
    of the image; to it `$$` is a dollar sign.
    """
    if podman < EXPANDING_PODMAN:
        return pod
    spec = dict(pod["spec"])
    for kind in ("initContainers", "containers"):
        if spec.get(kind):
            spec[kind] = [_double_dollars(container) for container in spec[kind]]
    return {**pod, "spec": spec}


def _double_dollars(container: Document) -> Document:
    doubled = {
        field: [text.replace("$", "$$") for text in container[field]]
        for field in ("command", "args")
        if container.get(field)
    }
    return container | doubled


def split_pod(pod: Document) -> tuple[Document, Document | None]:
    """Return the Pod without init containers and hooks, and the Pod of the init containers.

    None without init containers. They become regular ones of a pod with `restartPolicy: Never`,
    whose name no workload can have.
    """
    spec = {key: value for key, value in pod["spec"].items() if key != "initContainers"}
    spec["containers"] = [_without_hooks(container) for container in spec["containers"]]
    name = pod["metadata"]["name"]
    if len(name) > MAX_HOST_NAME and not spec.get("hostname"):
        spec["hostname"] = _shorten(name)
    initial = pod["spec"].get("initContainers")
    return {**pod, "spec": spec}, _make_init_pod(pod, spec, initial) if initial else None


def _without_hooks(container: Document) -> Document:
    """Return a container as podman gets it: it would ignore the hooks."""
    lifecycle = container.get("lifecycle")
    if lifecycle is None:
        return container
    kept = {key: value for key, value in lifecycle.items() if key not in HOOKS}
    others = {key: value for key, value in container.items() if key != "lifecycle"}
    return {**others, "lifecycle": kept} if kept else others


def _make_init_pod(pod: Document, spec: Document, initial: list[Document]) -> Document:
    name = pod["metadata"]["name"]
    containers = [
        {key: value for key, value in container.items() if key not in NOT_INITIAL}
        for container in initial
    ]
    # The others may not exist yet: paths that init containers make are mounted after them.
    mounted = {mount["name"] for one in containers for mount in one.get("volumeMounts") or []}
    volumes = [volume for volume in spec.get("volumes") or [] if volume["name"] in mounted]
    host_name = spec.get("hostname") or _shorten(name)
    return {
        **pod,
        "metadata": {**pod["metadata"], "name": init_pod_of(name)},
        "spec": {
            **copy.deepcopy(spec),
            "containers": containers,
            "volumes": volumes,
            "restartPolicy": "Never",
            "hostname": host_name,
        },
    }


def _shorten(name: str) -> str:
    return name[:MAX_HOST_NAME].rstrip("-.")


def serialize(document: Document) -> bytes:
    """Return a manifest as podman reads it: JSON is YAML, but for escapes of two UTF-16 units."""
    text = json.dumps(document, indent=1, ensure_ascii=False)
    return ESCAPED.sub(lambda match: f"\\u{ord(match[0]):04x}", text).encode() + b"\n"


def has_addresses(document: Document) -> bool:
    """Tell whether a manifest has marks for addresses."""
    text = json.dumps(document)
    return HOST_ADDRESS in text or POD_ADDRESS in text


def list_init_containers(pod: Document) -> tuple[str, ...]:
    """Return the names of the init containers in the order in which they run."""
    return tuple(container["name"] for container in pod["spec"].get("initContainers") or [])
