"""Deletion of namespaces: first everything inside, then the namespace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flotta.apiserver import timestamps
from flotta.apiserver.controllers import amend, follow, remove
from flotta.apiserver.journal import Key

if TYPE_CHECKING:
    from collections.abc import Callable

    from flotta.apiserver.journal import Change, Record
    from flotta.apiserver.writes import Objects

JsonObject = dict[str, Any]

QUIET_CONDITIONS = (
    ("NamespaceDeletionDiscoveryFailure", "ResourcesDiscovered", "All resources discovered"),
    ("NamespaceDeletionGroupVersionParsingFailure", "ParsedGroupVersions", "All groups parsed"),
    ("NamespaceDeletionContentFailure", "ContentDeleted", "All content deleted"),
)


class NamespaceController:
    """Empties terminating namespaces and lets them go when nothing is left."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._terminating: set[str] = set()

    async def run(self) -> None:
        await follow(self._objects, self._start, self._handle)

    async def _start(self) -> None:
        name = self._objects.registry.namespaces.qualified
        for record in self._objects.store.collection(name, None):
            self._notice(record)
        for namespace in sorted(self._terminating):
            await self._finalize(namespace)

    def _notice(self, record: Record) -> None:
        if "deletionTimestamp" in record.load()["metadata"]:
            self._terminating.add(record.key.name)

    async def _handle(self, changes: list[Change]) -> None:
        namespaces = self._objects.registry.namespaces.qualified
        touched = set()
        for change in changes:
            key = change.record.key
            if key.resource == namespaces:
                self._terminating.discard(key.name)
                if change.type != "DELETED":
                    self._notice(change.record)
            touched.add(key.namespace or key.name)
        for namespace in sorted(touched & self._terminating):
            await self._finalize(namespace)

    async def _finalize(self, namespace: str) -> None:
        for record in self._content(namespace):
            await remove(self._objects, record.key)
        # No await between this look and the change: nothing can appear in between.
        left = self._content(namespace)
        key = Key(self._objects.registry.namespaces.qualified, "", namespace)
        await amend(self._objects, key, _remaining(left) if left else _emptied)

    def _content(self, namespace: str) -> list[Record]:
        return [
            record
            for resource in self._objects.registry.resources
            if resource.namespaced
            for record in self._objects.store.newest_in(resource.qualified, namespace)
        ]


def _emptied(namespace: JsonObject) -> None:
    namespace["spec"] = {}


def _remaining(left: list[Record]) -> Callable[[JsonObject], None]:
    """Set the conditions that say what a namespace still waits for."""
    resources: dict[str, int] = {}
    finalizers: dict[str, int] = {}
    for record in left:
        resources[record.key.resource] = resources.get(record.key.resource, 0) + 1
        for finalizer in record.load()["metadata"].get("finalizers", ()):
            finalizers[finalizer] = finalizers.get(finalizer, 0) + 1
    content = _counted(
        "Some resources are remaining: {}", "{} has {} resource instances", resources
    )
    waiting = _counted(
        "Some content in the namespace has finalizers remaining: {}",
        "{} in {} resource instances",
        finalizers,
    )
    wanted = [
        *((kind, "False", reason, text) for kind, reason, text in QUIET_CONDITIONS),
        ("NamespaceContentRemaining", "True", "SomeResourcesRemain", content),
    ]
    if finalizers:
        wanted.append(("NamespaceFinalizersRemaining", "True", "SomeFinalizersRemain", waiting))
    return lambda namespace: _set_conditions(namespace, wanted)


def _counted(sentence: str, part: str, counts: dict[str, int]) -> str:
    parts = [part.format(name, count) for name, count in sorted(counts.items())]
    return sentence.format(", ".join(parts))


def _set_conditions(namespace: JsonObject, wanted: list[tuple[str, str, str, str]]) -> None:
    status = namespace.setdefault("status", {})
    present = {condition["type"]: condition for condition in status.get("conditions", [])}
    conditions = []
    for kind, state, reason, message in wanted:
        old = present.get(kind, {})
        moved = old.get("status") != state
        conditions.append(
            {
                "type": kind,
                "status": state,
                "lastTransitionTime": timestamps.now() if moved else old["lastTransitionTime"],
                "reason": reason,
                "message": message,
            }
        )
    status["conditions"] = conditions
