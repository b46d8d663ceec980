"""All objects, in memory and on disk.

Decisions are made in the event loop by `newest`, which includes changes that are still being
written. Readers and watches see a change only when it is durable
(docs/reference/resource-api.md#storage-and-durability).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import msgspec

from flotta.apiserver.json_object import JsonObject
from flotta.apiserver.storage.database import ChangeRow, Database
from flotta.apiserver.storage.integrity import damaged
from flotta.apiserver.storage.watch_cache import (
    ObjectKey,
    ObjectRecord,
    StoredChange,
    WatchCache,
    make_record,
)
from flotta.apiserver.storage.writer import Commit, Writer
from flotta.own_names import FLOTTA_NAMESPACE

# What reading a body raises that nobody stored as it is. TypeError, KeyError: another shape.
UNREADABLE = msgspec.MsgspecError, UnicodeDecodeError, RecursionError, TypeError, KeyError
MAX_OWN = 16 * 1024  # bytes of such an object that a full disk still takes


MAX_OBJECT = 1536 * 1024  # bytes of an object as JSON: etcd's limit of a request
MAX_DELETING = MAX_OBJECT + 64 * 1024  # so that marking an object as being deleted is possible


class StorageFailure(Exception):
    """A change could not be made durable and has no effect."""


class ObjectTooLargeError(Exception):
    """An object is larger than the store takes; nothing was changed."""


@dataclass(frozen=True)
class _Staged:
    """The newest change of an object that is being written; `record` None is a deletion."""

    version: int
    record: ObjectRecord | None
    durable: asyncio.Future[None]
    essential: bool


class Store:
    """The store of objects. Everything but the writer thread runs in one event loop."""

    def __init__(self, database: Database, watch_cache: WatchCache | None = None) -> None:
        self.watch_cache = watch_cache or WatchCache()
        self._database = database
        self._writer = Writer(database)
        self._objects: dict[str, dict[tuple[str, str], ObjectRecord]] = {}
        self._order: dict[str, list[tuple[str, str]]] = {}
        self._staged: dict[ObjectKey, _Staged] = {}
        self._epoch = 0
        self._next = 1
        self.version = 0
        """The newest durable resource version."""
        self._load()

    def start(self) -> None:
        """Start the writer thread."""
        self._writer.start()

    async def stop(self) -> None:
        """Write what is staged and close the file."""
        await asyncio.to_thread(self._writer.stop)
        self._database.close()

    # Reading

    def get(self, key: ObjectKey) -> ObjectRecord | None:
        """Return the durable state of an object."""
        return self._objects.get(key.resource, {}).get((key.namespace, key.name))

    def list_records(self, resource: str, namespace: str | None) -> list[ObjectRecord]:
        """Return the durable objects by namespace, then name; `namespace` None means all."""
        objects = self._objects.get(resource, {})
        if resource not in self._order:
            self._order[resource] = sorted(objects, key=lambda place: (f"{place[0]}/", place[1]))
        order = self._order[resource]
        if namespace is not None:
            order = [place for place in order if place[0] == namespace]
        return [objects[place] for place in order]

    def list_at(
        self, resource: str, namespace: str | None, version: int
    ) -> list[ObjectRecord] | None:
        """Return the list as it was at an earlier version, by undoing the changes since.

        None when the log does not reach back that far.
        """
        later = self.watch_cache.changes_after(resource, version)
        if later is None:
            return None
        state = {record.key: record for record in self.list_records(resource, namespace)}
        for change in reversed(later):
            state.pop(change.record.key, None)
            previous = change.previous
            if previous is not None and namespace in (None, previous.key.namespace):
                state[previous.key] = previous
        return [state[key] for key in sorted(state, key=lambda key: key.sort_key)]

    def newest(self, key: ObjectKey) -> ObjectRecord | None:
        """Return the state on which the next change must be based."""
        staged = self._staged.get(key)
        return staged.record if staged else self.get(key)

    def newest_in(self, resource: str, namespace: str) -> list[ObjectRecord]:
        """Return the objects of a namespace, including changes that are still being written."""
        found = {record.key: record for record in self.list_records(resource, namespace)}
        for key, staged in self._staged.items():
            if key.resource == resource and key.namespace == namespace:
                found.pop(key, None)
                if staged.record is not None:
                    found[key] = staged.record
        return [found[key] for key in sorted(found)]

    async def wait_durable(self, key: ObjectKey) -> None:
        """Wait until the newest state of an object is durable."""
        staged = self._staged.get(key)
        if staged is not None:
            await asyncio.shield(staged.durable)

    async def put(self, key: ObjectKey, obj: JsonObject) -> ObjectRecord:
        """Store an object and set its metadata.resourceVersion. Returns when it is durable.

        No await may come between reading `newest` and calling this: everything up to the first
        suspension of this coroutine happens in the caller's step. Raises StorageFailure, and
        ObjectTooLargeError before anything is changed.
        """
        previous = self.newest(key)
        return await self._stage_change("MODIFIED" if previous else "ADDED", key, obj, previous)

    async def remove(self, key: ObjectKey, last: JsonObject) -> ObjectRecord:
        """Delete an object whose last state is `last`; return a record with a new version."""
        return await self._stage_change("DELETED", key, last, self.newest(key))

    async def _stage_change(
        self, kind: str, key: ObjectKey, obj: JsonObject, previous: ObjectRecord | None
    ) -> ObjectRecord:
        version = self._next
        obj["metadata"]["resourceVersion"] = str(version)
        record = make_record(key, version, obj)
        if kind != "DELETED":
            _check_size(record, obj, previous)
        self._next += 1
        change = StoredChange(version, kind, record, previous)
        durable: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        state = None if kind == "DELETED" else record
        essential = _is_essential(kind, record, obj)
        self._staged[key] = _Staged(version, state, durable, essential)
        self._submit_change(change, durable, essential=essential)
        await asyncio.shield(durable)
        return record

    def _submit_change(
        self, change: StoredChange, durable: asyncio.Future[None], *, essential: bool
    ) -> None:
        loop = asyncio.get_running_loop()
        epoch = self._epoch

        def done(error: Exception | None) -> None:
            loop.call_soon_threadsafe(self._complete_change, epoch, change, durable, error)

        self._writer.submit(Commit(epoch, _make_row(change), done, essential))

    def _complete_change(
        self,
        epoch: int,
        change: StoredChange,
        durable: asyncio.Future[None],
        error: Exception | None,
    ) -> None:
        key = change.record.key
        staged = self._staged.get(key)
        is_newest = staged is not None and staged.version == change.version
        if error is not None:
            self._abandon_epoch(epoch)
            if is_newest:
                self._staged.pop(key, None)
            durable.set_exception(StorageFailure(str(error)))
            durable.exception()  # retrieved, so that nothing is logged if no one waits any more
            return
        self._publish_change(change)
        if is_newest:
            del self._staged[key]
        durable.set_result(None)

    def _abandon_epoch(self, epoch: int) -> None:
        """Forget the staged changes: they can be based on a change that failed.

        Several changes of an epoch fail. Only the first report counts, because by the second one
        new changes may be staged that are based on the durable state again. Essential changes are
        written nevertheless (`Writer`), so they still count.
        """
        if epoch == self._epoch:
            self._epoch += 1
            self._staged = {key: kept for key, kept in self._staged.items() if kept.essential}

    def _publish_change(self, change: StoredChange) -> None:
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
        self.watch_cache.append(change)
        self.watch_cache.trim()
        self._writer.forget_before = self.watch_cache.forgotten + 1

    def _load(self) -> None:
        self.version = self._database.version()
        for row in self._database.objects():
            key = ObjectKey(row.resource, row.namespace, row.name)
            try:
                record = _read_record(key, row.version, row.body)
            except UNREADABLE as error:
                what = f"{row.resource} {row.namespace}/{row.name} cannot be read: {error}"
                raise damaged(self._database.path, what) from error
            self._objects.setdefault(row.resource, {})[(row.namespace, row.name)] = record
            self.version = max(self.version, row.version)
        for change in reversed(self._read_history()):
            self.watch_cache.append(change)
        self.watch_cache.trim()
        self._writer.forget_before = self.watch_cache.forgotten + 1
        self._next = self.version + 1

    def _read_history(self) -> list[StoredChange]:
        """Return the changes from the newest one back to the limit of the watch cache."""
        after: dict[ObjectKey, ObjectRecord | None] = {}
        found: list[StoredChange] = []
        memory = 0
        # Without a log no watch can resume from an earlier version.
        self.watch_cache.forgotten = self.version
        for row in self._database.changes():
            key = ObjectKey(row.resource, row.namespace, row.name)
            try:
                change = _restore_change(row, key, after.get(key, self.get(key)))
            except UNREADABLE:  # as at a damaged one: watches that need older changes list again
                break
            memory += change.memory
            if found and memory > self.watch_cache.kept_bytes:
                break
            found.append(change)
            after[key] = change.previous
            self.watch_cache.forgotten = row.version - 1
        return found


def _check_size(record: ObjectRecord, obj: JsonObject, previous: ObjectRecord | None) -> None:
    """Raise ObjectTooLargeError, unless the object of an earlier release does not grow."""
    limit = MAX_DELETING if "deletionTimestamp" in obj["metadata"] else MAX_OBJECT
    size = _content_size(record)
    if size > limit and (previous is None or size > _content_size(previous)):
        raise ObjectTooLargeError(
            f"the object is too large: it has {size} bytes as JSON, at most {limit} are stored"
        )


def _content_size(record: ObjectRecord) -> int:
    return len(record.raw) - len(str(record.version))


def _is_essential(kind: str, record: ObjectRecord, obj: JsonObject) -> bool:
    """Tell whether a change is written to the reserve of a full disk, too.

    It is what makes room: deletions, what finishes them, and the small objects of the control
    plane itself, without which nobody finishes them (its Leases, what it records of deletions).
    """
    own = record.key.namespace == FLOTTA_NAMESPACE and len(record.raw) <= MAX_OWN
    return kind == "DELETED" or "deletionTimestamp" in obj["metadata"] or own


def _restore_change(row: ChangeRow, key: ObjectKey, after: ObjectRecord | None) -> StoredChange:
    """Return a change as it was; `after` is the state of its object after it."""
    previous = _read_record(key, 0, row.previous) if row.previous is not None else None
    if after is None:  # a deletion
        last = previous.load() if previous else {"metadata": {}}
        last["metadata"]["resourceVersion"] = str(row.version)
        after = make_record(key, row.version, last)
    return StoredChange(row.version, row.type, after, previous)


class _Metadata(msgspec.Struct):
    labels: dict[str, str] | None = None


class _Labelled(msgspec.Struct):
    metadata: _Metadata


_labelled = msgspec.json.Decoder(_Labelled)


def _read_record(key: ObjectKey, version: int, body: bytes) -> ObjectRecord:
    return ObjectRecord(key, version, body, _labelled.decode(body).metadata.labels or {})


def _make_row(change: StoredChange) -> ChangeRow:
    previous = change.previous.raw if change.previous else None
    body = None if change.type == "DELETED" else change.record.raw
    return ChangeRow(change.version, change.type, *change.record.key, body, previous)
