"""Garbage collection by ownerReferences: Background, Foreground and Orphan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flotta.apiserver.controllers import amend, follow, remove
from flotta.apiserver.deletion import FOREGROUND, ORPHAN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from flotta.apiserver.journal import Change, Key, Record
    from flotta.apiserver.writes import Objects

JsonObject = dict[str, Any]


@dataclass(frozen=True)
class _Known:
    """What the collector remembers of an object."""

    uid: str
    owners: tuple[JsonObject, ...]
    finalizers: tuple[str, ...]
    deleting: bool


def _known(record: Record) -> _Known:
    meta = record.load()["metadata"]
    return _Known(
        meta["uid"],
        tuple(meta.get("ownerReferences", ())),
        tuple(meta.get("finalizers", ())),
        "deletionTimestamp" in meta,
    )


class GarbageCollector:
    """Keeps a graph of owners and dependents, and removes what lost all its owners."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._nodes: dict[Key, _Known] = {}
        self._keys: dict[str, Key] = {}
        self._dependents: dict[str, set[Key]] = {}

    async def run(self) -> None:
        await follow(self._objects, self._start, self._handle)

    async def _start(self) -> None:
        self._nodes.clear()
        self._keys.clear()
        self._dependents.clear()
        for resource in self._objects.registry.resources:
            for record in self._objects.store.collection(resource.qualified, None):
                self._learn(record)
        for key in list(self._nodes):
            await self._look_at(key)

    async def _handle(self, changes: list[Change]) -> None:
        """Learn all changes first, so that no owner is missing only because it came late."""
        affected: dict[Key, None] = {}
        for change in changes:
            key = change.record.key
            if change.type == "DELETED":
                affected.update(dict.fromkeys(self._forget(key)))
            else:
                self._learn(change.record)
                affected[key] = None
        for key in affected:
            await self._look_at(key)

    def _learn(self, record: Record) -> None:
        key = record.key
        self._unlink(key)
        known = _known(record)
        self._nodes[key] = known
        self._keys[known.uid] = key
        for owner in known.owners:
            self._dependents.setdefault(owner["uid"], set()).add(key)

    def _unlink(self, key: Key) -> None:
        known = self._nodes.pop(key, None)
        if known is None:
            return
        self._keys.pop(known.uid, None)
        for owner in known.owners:
            dependents = self._dependents.get(owner["uid"], set())
            dependents.discard(key)
            if not dependents:
                self._dependents.pop(owner["uid"], None)

    def _forget(self, key: Key) -> Iterable[Key]:
        """Remove an object from the graph; returns its dependents and the owners it had."""
        known = self._nodes.get(key)
        self._unlink(key)
        if known is None:
            return ()
        owners = (self._keys.get(owner["uid"]) for owner in known.owners)
        return (*self._dependents_of(known.uid), *filter(None, owners))

    def _dependents_of(self, uid: str) -> list[Key]:
        return sorted(self._dependents.get(uid, ()))

    async def _look_at(self, key: Key) -> None:
        known = self._nodes.get(key)
        if known is None:
            return
        if known.owners:
            await self._judge_dependent(key, known)
        if known.deleting and ORPHAN in known.finalizers:
            await self._orphan(key, known)
        elif known.deleting and FOREGROUND in known.finalizers:
            await self._delete_in_foreground(key, known)

    async def _judge_dependent(self, key: Key, known: _Known) -> None:
        """Delete a dependent without living owners; drop references to dead ones from others."""
        states = [(owner, self._owner_state(key, owner)) for owner in known.owners]
        solid = [owner for owner, state in states if state == "solid"]
        if len(solid) == len(states):
            return
        if solid:
            alive = {owner["uid"] for owner in solid}
            await amend(self._objects, key, _keep_owners(alive.__contains__))
            return
        waiting = any(state == "waiting" for _, state in states)
        in_foreground = waiting and self._dependents_of(known.uid)
        await remove(self._objects, key, "Foreground" if in_foreground else "Background")

    def _owner_state(self, key: Key, owner: JsonObject) -> str:
        """Whether an owner is solid, absent, or waiting for its dependents to go."""
        if self._objects.registry.of_kind(owner["apiVersion"], owner["kind"]) is None:
            return "solid"  # Of a kind that is not served: nothing is known about it.
        owner_key = self._keys.get(owner["uid"])
        if owner_key is None or owner_key.namespace not in ("", key.namespace):
            return "absent"
        node = self._nodes[owner_key]
        return "waiting" if node.deleting and FOREGROUND in node.finalizers else "solid"

    async def _orphan(self, key: Key, known: _Known) -> None:
        for dependent in self._dependents_of(known.uid):
            await amend(self._objects, dependent, _keep_owners(lambda uid: uid != known.uid))
        await amend(self._objects, key, _without_finalizer(ORPHAN))

    async def _delete_in_foreground(self, key: Key, known: _Known) -> None:
        blocking = False
        for dependent in self._dependents_of(known.uid):
            node = self._nodes[dependent]
            await self._judge_dependent(dependent, node)
            blocking = blocking or any(
                owner["uid"] == known.uid and owner.get("blockOwnerDeletion")
                for owner in node.owners
            )
        if not blocking:
            await amend(self._objects, key, _without_finalizer(FOREGROUND))


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
        finalizers = [one for one in meta.pop("finalizers", []) if one != name]
        if finalizers:
            meta["finalizers"] = finalizers

    return change
