# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/fleet/references.py: change that.
"""Secrets and ConfigMaps that a pod refers to, and whether they exist.

References are found in containers, init containers, volumes and `imagePullSecrets`; v0.2 overlooked
Secret volumes and failed at an environment variable with a literal value. A mandatory reference to
an object wins over an optional one
(docs/reference/control-plane.md#configmaps-and-secrets-of-workloads).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from ..resources.kinds import CONFIG_MAP, SECRET, Kind, ResourceT
from ..resources.objects.core import KeyedData
from ..resources.objects.pods import (
    KeySelector,
    NamedSource,
    PodSpec,
    SecretVolume,
)
from ..resources.objects.workloads import EdgeWorkload


class ObjectSource(Protocol):
    """Where objects are looked up; a cache that watches fill, never an API read."""

    def workloads(self, namespace: str) -> list[EdgeWorkload]:
        """Return the EdgeWorkloads of a namespace."""

    def lookup(self, kind: Kind[ResourceT], namespace: str, name: str) -> ResourceT | None:
        """Return one object, None when it does not exist."""


class BrokenReference(Exception):
    """A referenced object or key does not exist or cannot be used.

    The text is a sentence.
    """


@dataclass(frozen=True)
class Reference:
    """What a pod needs from one Secret or ConfigMap."""

    kind: Kind[KeyedData]
    name: str
    optional: bool
    keys: frozenset[str] = frozenset()  # that must exist

    def __or__(self, other: Reference) -> Reference:
        optional = self.optional and other.optional
        return Reference(self.kind, self.name, optional, self.keys | other.keys)


def pod_references(pod: PodSpec) -> list[Reference]:
    """Return the references in a PodSpec, one for each object, sorted by kind and name."""
    found: dict[tuple[str, str], Reference] = {}
    for reference in _all_references(pod):
        key = (reference.kind.kind, reference.name)
        found[key] = found[key] | reference if key in found else reference
    return [found[key] for key in sorted(found)]


def resolve_reference(
    reference: Reference, source: ObjectSource, namespace: str
) -> KeyedData | None:
    """Return the object.

    None when it is optional and absent. Raises BrokenReference when something mandatory is absent.
    """
    found = source.lookup(reference.kind, namespace, reference.name)
    if found is None:
        if reference.optional:
            return None
        raise BrokenReference(f"{reference.kind.kind} {reference.name!r} does not exist")
    present = {*(found.get("data") or ()), *(found.get("binaryData") or ())}
    for key in sorted(reference.keys - present):
        raise BrokenReference(f"{reference.kind.kind} {reference.name!r} has no key {key!r}")
    return found


def require_value(
    source: ObjectSource, kind: Kind[KeyedData], namespace: str, name: str, key: str
) -> str:
    """Return one value of a Secret (base64 as stored) or ConfigMap.

    Raises BrokenReference when it does not exist.
    """
    found = resolve_reference(
        Reference(kind, name, optional=False, keys=frozenset({key})), source, namespace
    )
    return ((found.get("data") if found else None) or {}).get(key, "")


def _all_references(pod: PodSpec) -> Iterator[Reference]:
    for container in [*(pod.get("initContainers") or ()), *(pod.get("containers") or ())]:
        for variable in container.get("env") or ():
            origin = variable.get("valueFrom") or {}
            yield from _key_reference(SECRET, origin.get("secretKeyRef"))
            yield from _key_reference(CONFIG_MAP, origin.get("configMapKeyRef"))
        for source in container.get("envFrom") or ():
            yield from _whole_reference(SECRET, source.get("secretRef"))
            yield from _whole_reference(CONFIG_MAP, source.get("configMapRef"))
    for secret in pod.get("imagePullSecrets") or ():
        # As in Kubernetes, a missing one keeps no pod from running: its images may need none.
        if secret.get("name"):
            yield Reference(SECRET, secret["name"], optional=True)
    for volume in pod.get("volumes") or ():
        yield from _secret_volume_reference(volume.get("secret"))
        yield from _whole_reference(CONFIG_MAP, volume.get("configMap"))
        for projected in (volume.get("projected") or {}).get("sources") or ():
            yield from _whole_reference(SECRET, projected.get("secret"))
            yield from _whole_reference(CONFIG_MAP, projected.get("configMap"))


def _key_reference(kind: Kind[KeyedData], selector: KeySelector | None) -> Iterator[Reference]:
    if selector and selector.get("name"):
        optional = bool(selector.get("optional"))
        keys = frozenset() if optional else frozenset({selector.get("key", "")})
        yield Reference(kind, selector["name"], optional, keys)


def _secret_volume_reference(volume: SecretVolume | None) -> Iterator[Reference]:
    """Yield the reference of a Secret volume, the only kind with a `secretName`."""
    if volume and volume.get("secretName"):
        named: NamedSource = {
            "name": volume["secretName"],
            "items": volume.get("items") or [],
            "optional": bool(volume.get("optional")),
        }
        yield from _whole_reference(SECRET, named)


def _whole_reference(kind: Kind[KeyedData], origin: NamedSource | None) -> Iterator[Reference]:
    if origin and origin.get("name"):
        optional = bool(origin.get("optional"))
        items = () if optional else (item["key"] for item in origin.get("items") or ())
        yield Reference(kind, origin["name"], optional, frozenset(items))
