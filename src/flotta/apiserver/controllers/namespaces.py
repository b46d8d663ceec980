"""Deletion of namespaces: first everything inside, then the namespace itself."""

from __future__ import annotations

from collections.abc import Callable

from flotta.apiserver import timestamps
from flotta.apiserver.controllers.feed import amend_object, delete_unless_gone, follow_changes
from flotta.apiserver.json_object import JsonObject
from flotta.apiserver.objects.writes import Objects
from flotta.apiserver.storage.watch_cache import ObjectKey, ObjectRecord, StoredChange

# Conditions of a namespace that is being deleted: (type, reason, message). Here nothing can go
# wrong in these parts, but clients that watch a namespace expect the conditions.
QUIET_CONDITIONS = (
    ("NamespaceDeletionDiscoveryFailure", "ResourcesDiscovered", "All resources discovered"),
    ("NamespaceDeletionGroupVersionParsingFailure", "ParsedGroupVersions", "All groups parsed"),
    ("NamespaceDeletionContentFailure", "ContentDeleted", "All content deleted"),
)


class NamespaceController:
    """Empties terminating namespaces and removes them when nothing is left."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._terminating: set[str] = set()

    async def run(self) -> None:
        """Empty namespaces until cancelled."""
        await follow_changes(self._objects, self._find_terminating, self._handle_changes)

    async def _find_terminating(self) -> None:
        name = self._objects.registry.namespaces.qualified
        for record in self._objects.store.list_records(name, None):
            self._note_terminating(record)
        for namespace in sorted(self._terminating):
            await self._empty_namespace(namespace)

    def _note_terminating(self, record: ObjectRecord) -> None:
        if "deletionTimestamp" in record.load()["metadata"]:
            self._terminating.add(record.key.name)

    async def _handle_changes(self, changes: list[StoredChange]) -> None:
        namespaces = self._objects.registry.namespaces.qualified
        touched = set()
        for change in changes:
            key = change.record.key
            if key.resource == namespaces:
                self._terminating.discard(key.name)
                if change.type != "DELETED":
                    self._note_terminating(change.record)
            touched.add(key.namespace or key.name)
        for namespace in sorted(touched & self._terminating):
            await self._empty_namespace(namespace)

    async def _empty_namespace(self, namespace: str) -> None:
        for record in self._list_content(namespace):
            await delete_unless_gone(self._objects, record.key)
        # No await between this list and the change: nothing can be created in between.
        left = self._list_content(namespace)
        key = ObjectKey(self._objects.registry.namespaces.qualified, "", namespace)
        await amend_object(
            self._objects, key, _report_remaining(left) if left else _drop_finalizers
        )

    def _list_content(self, namespace: str) -> list[ObjectRecord]:
        return [
            record
            for resource in self._objects.registry.resources
            if resource.namespaced
            for record in self._objects.store.newest_in(resource.qualified, namespace)
        ]


def _drop_finalizers(namespace: JsonObject) -> None:
    namespace["spec"] = {}


def _report_remaining(left: list[ObjectRecord]) -> Callable[[JsonObject], None]:
    """Return a change that sets the conditions about what a namespace still waits for."""
    resources: dict[str, int] = {}
    finalizers: dict[str, int] = {}
    for record in left:
        resources[record.key.resource] = resources.get(record.key.resource, 0) + 1
        for finalizer in record.load()["metadata"].get("finalizers", ()):
            finalizers[finalizer] = finalizers.get(finalizer, 0) + 1
    content = _count_parts(
        "Some resources are remaining: {}", "{} has {} resource instances", resources
    )
    waiting = _count_parts(
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


def _count_parts(sentence: str, part: str, counts: dict[str, int]) -> str:
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
