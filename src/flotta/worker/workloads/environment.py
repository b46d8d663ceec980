"""Variables and command of a container as its process gets them.

Values are resolved here, because podman's own way differs between its versions, and because a pod
that contains its values starts after a reboot without help. Rules:
docs/reference/device.md#configmaps-secrets-and-environment.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping
from dataclasses import dataclass

from flotta.worker.errors import WorkloadError
from flotta.worker.workloads.downward_api import read_field, read_resource
from flotta.worker.workloads.host_names import INVALID
from flotta.worker.workloads.pod_facts import PodFacts
from flotta.worker.workloads.pod_spec import (
    Container,
    EnvFromSource,
    EnvVar,
    EnvVarSource,
    KeyReference,
    PodSpec,
    invalid_specification,
    list_containers,
)
from flotta.worker.workloads.references import NOT_FOUND, Sources
from flotta.worker.workloads.variables import expand

DEVICE_ID = "DEVICE_ID"  # the variable that every container gets


def complete_environment(spec: PodSpec, sources: Sources, facts: PodFacts) -> None:
    """Give each container its variables as plain values, and expand its command and arguments.

    Raises WorkloadError for a missing reference that is not optional, for a value that is not text,
    and for a source that a device does not have.
    """
    origins = _Origins(spec, sources, facts)
    for container in list_containers(spec):
        values = origins.resolve_variables(container)
        container["env"] = [{"name": name, "value": value} for name, value in values.items()]
        container.pop("envFrom", None)
        if container.get("command"):
            container["command"] = [expand(str(text), values) for text in container["command"]]
        if container.get("args"):
            container["args"] = [expand(str(text), values) for text in container["args"]]


@dataclass(frozen=True)
class _Origins:
    """What the variables of a pod's containers can come from."""

    spec: PodSpec
    sources: Sources
    facts: PodFacts

    def resolve_variables(self, container: Container) -> dict[str, str]:
        """Return name → value in the order of the specification, and DEVICE_ID last.

        An entry sees those before it and all of `envFrom`, as in `makeEnvironmentVariables` of
        k8s.io/kubernetes/pkg/kubelet.
        """
        own = {DEVICE_ID: self.facts.device.device_id}
        values: dict[str, str] = {}
        known = ChainMap(own, values)
        for source in container.get("envFrom") or []:
            values |= _resolve_source(source, self.sources)
        for variable in container.get("env") or []:
            value = self._resolve_variable(variable, known, container)
            if value is not None:
                values[variable["name"]] = value
        values.pop(DEVICE_ID, None)
        return values | own

    def _resolve_variable(
        self, variable: EnvVar, known: Mapping[str, str], container: Container
    ) -> str | None:
        """Return a value; None for one that refers to something optional that is absent."""
        text = variable.get("value")
        if text:
            return expand(str(text), known)
        origin = variable.get("valueFrom")
        if not origin:
            return ""
        field, resource = origin.get("fieldRef"), origin.get("resourceFieldRef")
        if field is not None:
            return read_field(str(field.get("fieldPath")), self.spec, self.facts)
        if resource is not None:
            return read_resource(resource, self.spec, container, self.facts)
        return _resolve_reference(variable["name"], origin, self.sources)


def _resolve_reference(name: str, origin: EnvVarSource, sources: Sources) -> str | None:
    for kind, reference in (
        ("ConfigMap", origin.get("configMapKeyRef")),
        ("Secret", origin.get("secretKeyRef")),
    ):
        if reference is not None:
            return _resolve_key(kind, reference, sources)
    raise invalid_specification(
        f"the variable {name[:80]!r} has a valueFrom of a kind that devices do not have"
    )


def _resolve_source(source: EnvFromSource, sources: Sources) -> dict[str, str]:
    for kind, reference in (
        ("ConfigMap", source.get("configMapRef")),
        ("Secret", source.get("secretRef")),
    ):
        if reference:
            optional = bool(reference.get("optional"))
            values = sources.read_values(kind, str(reference.get("name")), optional=optional)
            prefix = source.get("prefix") or ""
            return {prefix + key: _decode_text(kind, key, value) for key, value in values.items()}
    return {}


def _resolve_key(kind: str, reference: KeyReference, sources: Sources) -> str | None:
    name, key = str(reference.get("name")), str(reference.get("key"))
    optional = bool(reference.get("optional"))
    values = sources.read_values(kind, name, optional=optional)
    if key in values:
        return _decode_text(kind, key, values[key])
    if optional:
        return None
    raise WorkloadError(NOT_FOUND[kind], f'{kind} "{name}" has no key "{key}"', permanent=True)


def _decode_text(kind: str, key: str, value: bytes) -> str:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise WorkloadError(
            INVALID[kind],
            f'key "{key}" is not text, so it cannot be an environment variable',
            permanent=True,
        )
    return text
