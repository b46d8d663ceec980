"""The resources that are served, and what distinguishes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from flotta.apiserver.errors import CauseLike, qualified_name
from flotta.apiserver.json_object import JsonObject

# In the order in which Kubernetes' discovery lists them, for custom resources and core kinds.
CUSTOM_VERBS = ("delete", "deletecollection", "get", "list", "patch", "create", "update", "watch")
CORE_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


class Admitted(Protocol):
    """The result of applying a schema: the object with defaults, and what is wrong with it."""

    @property
    def obj(self) -> JsonObject:
        """The object in the form in which it can be stored."""

    @property
    def unknown(self) -> Sequence[str]:
        """The paths of the fields that were removed."""

    @property
    def causes(self) -> Sequence[CauseLike]:
        """What is wrong; empty when the object can be stored."""

    @property
    def warnings(self) -> Sequence[str]:
        """Sentences about what is wrong but was so before."""


class Schema(Protocol):
    """What admission needs of a schema; core kinds and custom resources have a class each."""

    def admit(
        self,
        obj: JsonObject,
        subresource: str = "",
        earlier: Iterable[CauseLike] = (),
        old: JsonObject | None = None,
        /,
    ) -> Admitted:
        """Prune, default and validate `obj`, which is not changed.

        At a `subresource` only the errors in that part count. `earlier` errors, of the metadata,
        can prevent the validation rules from being checked. What is wrong in a part that stands so
        in `old`, the stored object, does not count.
        """


@dataclass(frozen=True)
class Column:
    """A column of `kubectl get`; `cell` reads its value from an object."""

    name: str
    type: str
    cell: Callable[[JsonObject], Any]
    format: str = ""
    description: str = ""
    priority: int = 0


Validate = Callable[[JsonObject, JsonObject | None], "Iterable[CauseLike]"]


def accept(_new: JsonObject, _old: JsonObject | None) -> Iterable[CauseLike]:
    """Refuse nothing."""
    return ()


def leave_unchanged(_obj: JsonObject, _old: JsonObject | None) -> None:
    """Change nothing."""
    return


def warn_of_nothing(_obj: JsonObject) -> list[str]:
    """Return no warnings."""
    return []


@dataclass(frozen=True)
class ServedResource:
    """A served resource. `custom` selects the rules of custom resources instead of core kinds'.

    `normalize` changes an object after its schema was applied (core kinds add and remove some
    fields themselves); `validate` then compares it with the old state.
    """

    group: str
    version: str
    kind: str
    plural: str
    singular: str
    schema: Schema
    openapi: JsonObject
    namespaced: bool = True
    custom: bool = True
    status: bool = False
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    columns: tuple[Column, ...] = ()
    field_labels: dict[str, tuple[str, ...]] = field(default_factory=dict)
    put_creates: bool = False
    normalize: Callable[[JsonObject, JsonObject | None], None] = leave_unchanged
    validate: Validate = accept
    find_warnings: Callable[[JsonObject], list[str]] = warn_of_nothing
    verbs: tuple[str, ...] = CUSTOM_VERBS

    @property
    def api_version(self) -> str:
        """`GROUP/VERSION`, or only the version for the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """Key in the store and name in messages: `edgedevices.management.project-flotta.io`."""
        return qualified_name(self.plural, self.group)

    @property
    def list_kind(self) -> str:
        """The kind of a list of objects."""
        return f"{self.kind}List"

    @property
    def subresources(self) -> tuple[str, ...]:
        """The names of the subresources."""
        extra = ("finalize",) if self.plural == "namespaces" else ()
        return (*extra, "status") if self.status else extra


class GroupVersion(NamedTuple):
    """A group ("" for core) and one of its versions."""

    group: str
    version: str


class Registry:
    """All served resources, found by group, version and plural."""

    def __init__(self, resources: Iterable[ServedResource]) -> None:
        self.resources = tuple(resources)
        self._by_place = {
            (resource.group, resource.version, resource.plural): resource
            for resource in self.resources
        }
        self._by_kind = {
            (resource.api_version, resource.kind): resource for resource in self.resources
        }
        self._by_name = {resource.qualified: resource for resource in self.resources}

    def find(self, group: str, version: str, plural: str) -> ServedResource | None:
        """Return the resource of a URL, or None."""
        return self._by_place.get((group, version, plural))

    def of_kind(self, api_version: str, kind: str) -> ServedResource | None:
        """Return the resource of an apiVersion and kind, or None."""
        return self._by_kind.get((api_version, kind))

    def named(self, name: str) -> ServedResource:
        """Return the resource of a store key."""
        return self._by_name[name]

    @property
    def namespaces(self) -> ServedResource:
        """The resource of namespaces."""
        return self._by_name["namespaces"]

    def group_versions(self) -> list[GroupVersion]:
        """Return every (group, version), core first, in the order of registration."""
        return list(
            dict.fromkeys(
                GroupVersion(resource.group, resource.version) for resource in self.resources
            )
        )

    def within(self, group: str, version: str) -> list[ServedResource]:
        """Return the resources of a group and version, sorted by plural."""
        found = [
            resource
            for resource in self.resources
            if (resource.group, resource.version) == (group, version)
        ]
        return sorted(found, key=lambda resource: resource.plural)
