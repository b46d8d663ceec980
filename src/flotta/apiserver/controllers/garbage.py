"""Garbage collection by ownerReferences: Background, Foreground and Orphan.

The rules are in "Garbage Collection" and "Owners and Dependents" of Kubernetes' documentation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from flotta.apiserver.controllers.feed import amend_object, delete_unless_gone, follow_changes
from flotta.apiserver.json_object import JsonObject
from flotta.apiserver.objects.deletion import FOREGROUND, ORPHAN
from flotta.apiserver.objects.writes import Objects
from flotta.apiserver.storage.watch_cache import ObjectKey, ObjectRecord, StoredChange


@dataclass(frozen=True)
class _Node:
    """What the collector remembers about an object."""

    uid: str
    owners: tuple[JsonObject, ...]
    finalizers: tuple[str, ...]
    deleting: bool


def _make_node(record: ObjectRecord) -> _Node:
    meta = record.load()["metadata"]
    return _Node(
        meta["uid"],
        tuple(meta.get("ownerReferences", ())),
        tuple(meta.get("finalizers", ())),
        "deletionTimestamp" in meta,
    )


class GarbageCollector:
    """Keeps a graph of owners and dependents, and deletes objects without a living owner."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._nodes: dict[ObjectKey, _Node] = {}
        self._keys: dict[str, ObjectKey] = {}
        self._dependents: dict[str, set[ObjectKey]] = {}

    async def run(self) -> None:
        """Collect garbage until cancelled."""
        await follow_changes(self._objects, self._build_graph, self._handle_changes)

    async def _build_graph(self) -> None:
        self._nodes.clear()
        self._keys.clear()
        self._dependents.clear()
        for resource in self._objects.registry.resources:
            for record in self._objects.store.list_records(resource.qualified, None):
                self._add_node(record)
        for key in list(self._nodes):
            await self._collect(key)

    async def _handle_changes(self, changes: list[StoredChange]) -> None:
        """Add all changes to the graph first, so that an owner that comes later is not missed."""
        affected: dict[ObjectKey, None] = {}
        for change in changes:
            key = change.record.key
            if change.type == "DELETED":
                affected.update(dict.fromkeys(self._forget_object(key)))
            else:
                self._add_node(change.record)
                affected[key] = None
        for key in affected:
            await self._collect(key)

    def _add_node(self, record: ObjectRecord) -> None:
        key = record.key
        self._remove_node(key)
        node = _make_node(record)
        self._nodes[key] = node
        self._keys[node.uid] = key
        for owner in node.owners:
            self._dependents.setdefault(owner["uid"], set()).add(key)

    def _remove_node(self, key: ObjectKey) -> None:
        node = self._nodes.pop(key, None)
        if node is None:
            return
        self._keys.pop(node.uid, None)
        for owner in node.owners:
            dependents = self._dependents.get(owner["uid"], set())
            dependents.discard(key)
            if not dependents:
                self._dependents.pop(owner["uid"], None)

    def _forget_object(self, key: ObjectKey) -> Iterable[ObjectKey]:
        """Remove an object from the graph; return its dependents and former owners."""
        node = self._nodes.get(key)
        self._remove_node(key)
        if node is None:
            return ()
        owners = (self._keys.get(owner["uid"]) for owner in node.owners)
        return (*self._dependents_of(node.uid), *filter(None, owners))

    def _dependents_of(self, uid: str) -> list[ObjectKey]:
        return sorted(self._dependents.get(uid, ()))

    async def _collect(self, key: ObjectKey) -> None:
        node = self._nodes.get(key)
        if node is None:
            return
        if node.owners:
            await self._collect_dependent(key, node)
        if node.deleting and ORPHAN in node.finalizers:
            await self._orphan_dependents(key, node)
        elif node.deleting and FOREGROUND in node.finalizers:
            await self._delete_in_foreground(key, node)

    async def _collect_dependent(self, key: ObjectKey, node: _Node) -> None:
        """Delete a dependent without living owners; else remove its references to absent ones."""
        states = [(owner, self._owner_state(key, owner)) for owner in node.owners]
        solid = [owner for owner, state in states if state == "solid"]
        if len(solid) == len(states):
            return
        if solid:
            alive = {owner["uid"] for owner in solid}
            await amend_object(self._objects, key, _keep_owners(alive.__contains__))
            return
        waiting = any(state == "waiting" for _, state in states)
        in_foreground = waiting and self._dependents_of(node.uid)
        await delete_unless_gone(
            self._objects, key, "Foreground" if in_foreground else "Background"
        )

    def _owner_state(self, key: ObjectKey, owner: JsonObject) -> str:
        """Return `solid`, `absent`, or `waiting` if the owner waits for its dependents to go."""
        if self._objects.registry.of_kind(owner["apiVersion"], owner["kind"]) is None:
            return "solid"  # of a kind that is not served: nothing is known about it
        # An owner is cluster-wide or in the namespace of its dependent; Kubernetes treats a
        # reference across namespaces as one to an owner that does not exist.
        owner_key = self._keys.get(owner["uid"])
        if owner_key is None or owner_key.namespace not in ("", key.namespace):
            return "absent"
        node = self._nodes[owner_key]
        return "waiting" if node.deleting and FOREGROUND in node.finalizers else "solid"

    async def _orphan_dependents(self, key: ObjectKey, node: _Node) -> None:
        for dependent in self._dependents_of(node.uid):
            await amend_object(self._objects, dependent, _keep_owners(lambda uid: uid != node.uid))
        await amend_object(self._objects, key, _without_finalizer(ORPHAN))

    async def _delete_in_foreground(self, key: ObjectKey, node: _Node) -> None:
        blocking = False
        for dependent in self._dependents_of(node.uid):
            dependent_node = self._nodes[dependent]
            await self._collect_dependent(dependent, dependent_node)
            blocking = blocking or any(
                owner["uid"] == node.uid and owner.get("blockOwnerDeletion")
                for owner in dependent_node.owners
            )
        if not blocking:
            await amend_object(self._objects, key, _without_finalizer(FOREGROUND))


def _keep_owners(keep: Callable[[str], bool]) -> Callable[[JsonObject], None]:
    def change(obj: JsonObject) -> None:
        meta = obj["metadata"]
        owners = [owner for owner in meta.pop("ownerReferences", []) if keep(owner["uid"])]
        if owners:
            meta["ownerReferences"] = owners

    return change


def _without_finalizer(name: str) -> Callable[[JsonObject], None]:
    def change(obj: JsonObject) -> None:
        meta = obj["metadata"]
        finalizers = [other for other in meta.pop("finalizers", []) if other != name]
        if finalizers:
            meta["finalizers"] = finalizers

    return change
