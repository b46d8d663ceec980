"""All objects, in memory and on disk.

Decisions are taken in the event loop against `newest`, which includes changes that are still being
written. Readers and watches see a change only when it is durable.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from flotta.apiserver.database import EventRow
from flotta.apiserver.journal import Change, Journal, Key, Record, record_of
from flotta.apiserver.writer import Commit, Writer

if TYPE_CHECKING:
    from flotta.apiserver.database import Database


class StorageFailure(Exception):
    """A change could not be made durable and did not happen."""


@dataclass(frozen=True)
class _Staged:
    version: int
    record: Record | None
    durable: asyncio.Future[None]


class Store:
    """The resource store. Everything but the writer thread runs in one event loop."""

    def __init__(self, database: Database, journal: Journal | None = None) -> None:
        self.journal = journal or Journal()
        self._database = database
        self._writer = Writer(database)
        self._objects: dict[str, dict[tuple[str, str], Record]] = {}
        self._order: dict[str, list[tuple[str, str]]] = {}
        self._staged: dict[Key, _Staged] = {}
        self._epoch = 0
        self._next = 1
        self.version = 0
        """The newest durable resource version."""
        self._load()

    def start(self) -> None:
        self._writer.start()

    async def stop(self) -> None:
        await asyncio.to_thread(self._writer.stop)
        self._database.close()

    # Reading

    def get(self, key: Key) -> Record | None:
        """The durable state of an object."""
        return self._objects.get(key.resource, {}).get((key.namespace, key.name))

    def collection(self, resource: str, namespace: str | None) -> list[Record]:
        """Durable objects by namespace, then name; ``namespace`` None means all."""
        objects = self._objects.get(resource, {})
        if resource not in self._order:
            self._order[resource] = sorted(objects, key=lambda place: (f"{place[0]}/", place[1]))
        order = self._order[resource]
        if namespace is not None:
            order = [place for place in order if place[0] == namespace]
        return [objects[place] for place in order]

    def list_at(self, resource: str, namespace: str | None, version: int) -> list[Record] | None:
        """The list as it was at an earlier version; None when the log no longer reaches there."""
        later = self.journal.after(resource, version)
        if later is None:
            return None
        state = {record.key: record for record in self.collection(resource, namespace)}
        for change in reversed(later):
            state.pop(change.record.key, None)
            previous = change.previous
            if previous is not None and namespace in (None, previous.key.namespace):
                state[previous.key] = previous
        return [state[key] for key in sorted(state, key=lambda key: key.place)]

    def newest(self, key: Key) -> Record | None:
        """The state that the next change must build on."""
        staged = self._staged.get(key)
        return staged.record if staged else self.get(key)

    def newest_in(self, resource: str, namespace: str) -> list[Record]:
        """Like `collection`, of one namespace, with changes that are still being written."""
        found = {record.key: record for record in self.collection(resource, namespace)}
        for key, staged in self._staged.items():
            if key.resource == resource and key.namespace == namespace:
                found.pop(key, None)
                if staged.record is not None:
                    found[key] = staged.record
        return [found[key] for key in sorted(found)]

    async def settled(self, key: Key) -> None:
        """Wait until the newest state of an object is durable."""
        staged = self._staged.get(key)
        if staged is not None:
            await asyncio.shield(staged.durable)

    # Writing

    async def put(self, key: Key, obj: dict[str, Any]) -> Record:
        """Store an object; its metadata.resourceVersion is set. Returns when it is durable.

        The decision (reading `newest` and calling this) must not be interrupted by an await:
        everything up to the first suspension of this coroutine happens in the caller's step.
        """
        previous = self.newest(key)
        return await self._stage("MODIFIED" if previous else "ADDED", key, obj, previous)

    async def remove(self, key: Key, last: dict[str, Any]) -> Record:
        """Delete an object whose last state is ``last``; the returned record has a new version."""
        return await self._stage("DELETED", key, last, self.newest(key))

    async def _stage(
        self, kind: str, key: Key, obj: dict[str, Any], previous: Record | None
    ) -> Record:
        version = self._next
        self._next += 1
        obj["metadata"]["resourceVersion"] = str(version)
        record = record_of(key, version, obj)
        change = Change(version, time.time(), kind, record, previous)
        durable: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        state = None if kind == "DELETED" else record
        self._staged[key] = _Staged(version, state, durable)
        self._submit(change, durable)
        await asyncio.shield(durable)
        return record

    def _submit(self, change: Change, durable: asyncio.Future[None]) -> None:
        loop = asyncio.get_running_loop()
        epoch = self._epoch

        def done(error: Exception | None) -> None:
            loop.call_soon_threadsafe(self._finish, epoch, change, durable, error)

        self._writer.submit(Commit(epoch, (_row(change),), done))

    def _finish(
        self, epoch: int, change: Change, durable: asyncio.Future[None], error: Exception | None
    ) -> None:
        if error is not None:
            self._abandon(epoch)
            durable.set_exception(StorageFailure(str(error)))
            durable.exception()  # Nobody may be waiting any more; that is no news to log.
            return
        self._publish(change)
        key = change.record.key
        staged = self._staged.get(key)
        if staged is not None and staged.version == change.version:
            del self._staged[key]
        durable.set_result(None)

    def _abandon(self, epoch: int) -> None:
        """Forget everything staged: it built on a change that did not happen."""
        if epoch == self._epoch:
            self._epoch += 1
            self._staged.clear()

    def _publish(self, change: Change) -> None:
        key = change.record.key
        place = (key.namespace, key.name)
        objects = self._objects.setdefault(key.resource, {})
        if change.type == "DELETED":
            objects.pop(place, None)
        else:
            objects[place] = change.record
        if change.type != "MODIFIED":
            self._order.pop(key.resource, None)
        self.version = change.version
        self.journal.append(change)
        self.journal.trim()
        self._writer.forget_before = self.journal.forgotten + 1

    # Starting

    def _load(self) -> None:
        for resource, namespace, name, version, body in self._database.objects():
            record = _stored(Key(resource, namespace, name), version, body)
            self._objects.setdefault(resource, {})[(namespace, name)] = record
            self.version = max(self.version, version)
        first: int | None = None
        for row in self._database.events():
            first = row.version if first is None else first
            self._replay(row)
        # Without any log nobody may resume from before now.
        self.journal.forgotten = self.version if first is None else first - 1
        self._next = self.version + 1

    def _replay(self, row: EventRow) -> None:
        key = Key(row.resource, row.namespace, row.name)
        record = _stored(key, row.version, row.body)
        previous = _stored(key, 0, row.previous) if row.previous is not None else None
        self.journal.append(Change(row.version, row.at, row.type, record, previous))
        self.version = max(self.version, row.version)


class _Metadata(msgspec.Struct):
    labels: dict[str, str] | None = None


class _Labelled(msgspec.Struct):
    metadata: _Metadata


_labelled = msgspec.json.Decoder(_Labelled)


def _stored(key: Key, version: int, body: bytes) -> Record:
    return Record(key, version, body, _labelled.decode(body).metadata.labels or {})


def _row(change: Change) -> EventRow:
    key = change.record.key
    previous = change.previous.raw if change.previous else None
    return EventRow(change.version, change.at, change.type, *key, change.record.raw, previous)
