# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/resources/objects/meta.py: change that.
"""The fields that objects of the resource API have in common: metadata, spec and status."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, Literal, Required, TypedDict, TypeVar

ConditionStatus = Literal["True", "False", "Unknown"]
# An object, or a part of one, that is only built or passed on: no field of it is read by name.
Manifest = Mapping[str, object]
MergePatch = Mapping[str, object]  # RFC 7396; null removes a key

SpecT = TypeVar("SpecT", bound=Manifest)
StatusT = TypeVar("StatusT", bound=Manifest)


class OwnerReference(TypedDict, total=False):
    """The owner of an object, with which the object is deleted."""

    apiVersion: str
    kind: str
    name: str
    uid: Required[str]
    controller: bool  # true for the owner that created and manages it


class ObjectMeta(TypedDict, total=False):
    """Metadata; fields that the server writes are only in objects that were read from it."""

    name: Required[str]
    namespace: str
    uid: str
    resourceVersion: str
    generation: int
    creationTimestamp: str
    deletionTimestamp: str
    labels: dict[str, str]
    annotations: dict[str, str]
    finalizers: list[str]
    ownerReferences: list[OwnerReference]
    managedFields: list[Manifest]


class Resource(TypedDict, total=False):
    """An object of any kind."""

    apiVersion: str
    kind: str
    metadata: Required[ObjectMeta]


class CustomResource(Resource, Generic[SpecT, StatusT], total=False):
    """An object with the desired state (spec) and the actual state (status)."""

    spec: SpecT
    status: StatusT


class Condition(TypedDict, total=False):
    """A metav1.Condition; in those of earlier releases some fields are missing."""

    type: Required[str]
    status: Required[str]
    reason: str
    message: str
    lastTransitionTime: str
    observedGeneration: int


class NameReference(TypedDict, total=False):
    """Another object of the same namespace."""

    name: str
