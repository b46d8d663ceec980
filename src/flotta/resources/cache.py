"""A list+watch cache of one kind, shared by the controllers and the Edge API."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable
from typing import Generic

from flotta.backoff import Backoff
from flotta.resources.client import ApiError, Client, Expired, Objects
from flotta.resources.kinds import Kind, ResourceT
from flotta.resources.objects.meta import Resource
from flotta.resources.views import Key, key_of

# Called with an object before and after a change; None stands for "not there".
Callback = Callable[[ResourceT | None, ResourceT | None], None]
# Seconds of silence, or without a newer version; servers that send bookmarks do so every minute.
RELIST_AFTER = 120.0
MAX_SILENCE = 240.0  # seconds; a kind without a sign of life is listed again after 150 s
LIST_RETRY = 1.0, 30.0  # first and longest seconds until a failed list is tried again
WATCH_RETRY = 0.4, 10.0  # first and longest seconds until a broken watch is resumed
log = logging.getLogger(__name__)


class Cache(Generic[ResourceT]):
    """Holds the newest known state of every object of a kind.

    Objects in it must not be changed by readers.
    """

    def __init__(self, client: Client, kind: Kind[ResourceT], namespace: str | None = None) -> None:
        self.kind = kind
        self._client = client
        self._namespace = namespace
        self._objects: dict[Key, ResourceT] = {}
        self._by_namespace: dict[str, dict[str, ResourceT]] = {}
        self._callbacks: list[Callback[ResourceT]] = []
        self._synced = asyncio.Event()
        self._heard = -math.inf
        self._version = ""
        self._grown = -math.inf

    @property
    def resource_version(self) -> str:
        """The version up to which every change is known, empty before the first list.

        That of the last list, change or bookmark; lower than before if the store was replaced.
        """
        return self._version

    @property
    def synced(self) -> bool:
        """Whether the first list is complete."""
        return self._synced.is_set()

    @property
    def silence(self) -> float:
        """Seconds since the server sent a list, a change or a bookmark.

        Infinite before the first.
        """
        return time.monotonic() - self._heard

    @property
    def unhealthy_reason(self) -> str | None:
        """Why the cache cannot be relied on, in words; None when it can."""
        if not self.synced:
            return f"{self.kind.plural}: not listed yet"
        if self.silence > MAX_SILENCE:
            return f"{self.kind.plural}: nothing heard from the API for {self.silence:.0f} s"
        return None

    async def wait_synced(self) -> None:
        """Wait for the first list."""
        await self._synced.wait()

    def get(self, namespace: str | None, name: str) -> ResourceT | None:
        """Return one object, None when it does not exist."""
        return self._by_namespace.get(namespace or "", {}).get(name)

    def list(self, namespace: str | None = None) -> Objects[ResourceT]:
        """Return the objects of one namespace, or of all."""
        if namespace is None:
            return list(self._objects.values())
        return list(self._by_namespace.get(namespace, {}).values())

    def subscribe(self, callback: Callback[ResourceT]) -> None:
        """Call `callback(old, new)` in the loop for each change; None stands for "not there"."""
        self._callbacks.append(callback)

    async def run(self) -> None:
        """Keep the cache current until cancelled; every failure is retried."""
        backoff = Backoff(*LIST_RETRY)
        while True:
            try:
                version = await self._list()
                backoff.reset()
                await self._watch(version)
            except Expired:
                log.info("%s: the watch expired, listing again", self.kind.plural)
            except ApiError as error:
                log.warning("%s: %s", self.kind.plural, error)
                await asyncio.sleep(backoff.next())

    async def _list(self) -> str:
        items, version = await self._client.list_with_version(self.kind, self._namespace)
        gone = set(self._objects)
        for item in items:
            gone.discard(key_of(item))
            self._put(item)
        for key in gone:
            self._remove(self._objects[key])
        self._version = version
        self._grown = time.monotonic()
        self._heard = time.monotonic()
        self._synced.set()
        return version

    async def _watch(self, version: str) -> None:
        """Follow changes, resuming after clean ends and broken connections.

        Raises Expired for a version that is too old. Returns after a long silence: only a list can
        tell a broken watch from a kind without changes (not every server sends bookmarks). Returns
        too when the version has not grown for long: a list has the newest, where bookmarks do not
        (kine, the store of k3s), and devices keep workloads while the version is an older one.
        """
        backoff = Backoff(*WATCH_RETRY)
        while True:
            try:
                async for type_, obj in self._client.watch(
                    self.kind, self._namespace, resource_version=version
                ):
                    version = obj["metadata"]["resourceVersion"]
                    backoff.reset()
                    self._heard = time.monotonic()
                    self._apply_event(type_, obj)
                    self._note_version(version)
                if time.monotonic() - self._grown > RELIST_AFTER:
                    return
            except Expired:
                raise
            except ApiError as error:
                if self.silence > RELIST_AFTER:
                    log.info("%s: %s; listing again", self.kind.plural, error)
                    return
                log.warning("%s: %s; resuming", self.kind.plural, error)
                await asyncio.sleep(backoff.next())

    def _note_version(self, version: str) -> None:
        if version != self._version:
            self._version = version
            self._grown = time.monotonic()

    def _apply_event(self, type_: str, obj: ResourceT) -> None:
        if type_ in ("ADDED", "MODIFIED"):
            self._put(obj)
        elif type_ == "DELETED":
            self._remove(obj)

    def _put(self, obj: ResourceT) -> None:
        key = key_of(obj)
        old = self._objects.get(key)
        if old is not None and _version(old) == _version(obj):
            return
        self._objects[key] = obj
        namespace, name = key
        self._by_namespace.setdefault(namespace, {})[name] = obj
        self._notify_subscribers(old, obj)

    def _remove(self, obj: ResourceT) -> None:
        key = key_of(obj)
        old = self._objects.pop(key, None)
        if old is not None:
            namespace, name = key
            del self._by_namespace[namespace][name]
            self._notify_subscribers(old, None)

    def _notify_subscribers(self, old: ResourceT | None, new: ResourceT | None) -> None:
        for callback in self._callbacks:
            try:
                callback(old, new)
            except Exception:  # a defect of one subscriber must not end the watch for the others
                log.exception("%s: a subscriber failed", self.kind.plural)


def _version(resource: Resource) -> str:
    return resource["metadata"]["resourceVersion"]
