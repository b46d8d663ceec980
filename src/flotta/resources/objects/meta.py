"""What every object of the resource API has: metadata, and most have spec and status."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, Literal, Required, TypedDict, TypeVar

ConditionStatus = Literal["True", "False", "Unknown"]
# An object, or a part of one, that is built or passed on whole: nothing in it is read by name.
Manifest = Mapping[str, object]
MergePatch = Mapping[str, object]  # RFC 7396; null removes a key

SpecT = TypeVar("SpecT", bound=Manifest)
StatusT = TypeVar("StatusT", bound=Manifest)


class OwnerReference(TypedDict, total=False):
    """The object that another belongs to, and with which it is deleted."""

    apiVersion: str
    kind: str
    name: str
    uid: Required[str]
    controller: bool  # true of the one that makes and keeps it


class ObjectMeta(TypedDict, total=False):
    """Metadata; what the server writes is only in objects that were read from it."""

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
    """An object of a kind with what a user wants, and what is."""

    spec: SpecT
    status: StatusT


class Condition(TypedDict, total=False):
    """A metav1.Condition; those of earlier releases lack some fields."""

    type: Required[str]
    status: Required[str]
    reason: str
    message: str
    lastTransitionTime: str
    observedGeneration: int


class NameReference(TypedDict, total=False):
    """Another object of the same namespace."""

    name: str
