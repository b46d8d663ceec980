# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/pod_fields/combinations.py: change that.
"""Fields of a PodSpec that each work, but not together."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence

from ..pod_fields.field import expand

# Fields of one place of which podman and Kubernetes carry out one, by the path of the place.
PROBES = "containers[].{livenessProbe,readinessProbe,startupProbe}"
HOOKS = "containers[].lifecycle.{postStart,preStop}"
NEEDED = frozenset({*expand(PROBES), *expand(HOOKS)})  # of these places one field has to be set
EXCLUSIVE: dict[str, tuple[str, ...]] = {
    "{containers,initContainers}[].env[]": ("value", "valueFrom"),
    "{containers,initContainers}[].env[].valueFrom": (
        *("configMapKeyRef", "secretKeyRef", "fieldRef", "resourceFieldRef"),
    ),
    "{containers,initContainers}[].envFrom[]": ("configMapRef", "secretRef"),
    "{containers,initContainers}[].volumeMounts[]": ("subPath", "subPathExpr"),
    PROBES: ("exec", "grpc", "httpGet", "tcpSocket"),
    HOOKS: ("exec", "httpGet", "sleep", "tcpSocket"),
    "volumes[]": (
        *("configMap", "downwardAPI", "emptyDir", "hostPath", "image", "persistentVolumeClaim"),
        *("projected", "secret"),
    ),
    "volumes[].downwardAPI.items[]": ("fieldRef", "resourceFieldRef"),
    "volumes[].projected.sources[]": ("configMap", "downwardAPI", "secret"),
    "volumes[].projected.sources[].downwardAPI.items[]": ("fieldRef", "resourceFieldRef"),
}


def exclusive_fields() -> dict[str, tuple[str, ...]]:
    """Return `EXCLUSIVE` by the paths of single places."""
    return {single: fields for path, fields in EXCLUSIVE.items() for single in expand(path)}


def describe_exclusive(fields: Sequence[str]) -> str:
    """Return the sentence about two fields of one place, or more, of which one may be set."""
    return f"{_listed(fields)} exclude each other; keep one"


def describe_needed(fields: Sequence[str]) -> str:
    """Return the sentence about a place that needs one of its fields."""
    return f"it needs one of {_listed(fields)}, and only one"


def _listed(fields: Sequence[str]) -> str:
    return f"{', '.join(fields[:-1])} and {fields[-1]}"


def find_contradictions(spec: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Yield path, from the PodSpec on, and message of each field that another one prevents."""
    yield from _of_network(spec)
    of_pod = _mapping(spec.get("securityContext"))
    for group in ("initContainers", "containers"):
        for index, container in enumerate(_list(spec.get(group))):
            own = _mapping(_mapping(container).get("securityContext"))
            user, number = (own.get(name, of_pod.get(name)) for name in ("runAsUser", "runAsGroup"))
            if number is not None and user is None:
                place = f"{group}[{index}]." if "runAsGroup" in own else ""
                yield (
                    f"{place}securityContext.runAsGroup",
                    "podman would run the container as root; set runAsUser, too",
                )


def _of_network(spec: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    config = _mapping(spec.get("dnsConfig"))
    if spec.get("dnsPolicy") == "None" and not config.get("nameservers"):
        yield "dnsPolicy", "there is no name server; set dnsConfig.nameservers, too"
    for index, server in enumerate(_list(config.get("nameservers"))):
        if not _is_address(server):
            yield f"dnsConfig.nameservers[{index}]", "this is not an address; write an IP address"
    if not spec.get("hostNetwork"):
        return
    for field, file in (("hostAliases", "/etc/hosts"), ("dnsConfig", "/etc/resolv.conf")):
        if spec.get(field):
            yield (
                field,
                f"with hostNetwork podman gives the pod the device's {file}; change that, or "
                "remove hostNetwork",
            )


def _is_address(text: object) -> bool:
    try:
        ipaddress.ip_address(str(text))
    except ValueError:
        return False
    return True


def _mapping(value: object) -> Mapping[str, object]:
    """Return a value, or nothing for one of another type."""
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
