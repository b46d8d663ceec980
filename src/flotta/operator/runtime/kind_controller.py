"""The interface between the runtime and the kinds: what the controller of a kind provides."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Generic, Protocol

from flotta.operator.runtime.conflicts import reconcile_newest
from flotta.operator.runtime.controller import Controller
from flotta.operator.runtime.queue import WorkQueue
from flotta.operator.runtime.steps import Plan, execute_plan
from flotta.resources.cache import Cache
from flotta.resources.client import Client
from flotta.resources.kinds import ResourceT
from flotta.resources.objects.meta import Resource
from flotta.resources.views import Key, key_of, uid_of

Reconcile = Callable[[ResourceT], Awaitable[float | None]]


class Source(Protocol):
    """Something whose changes put keys into the queue of a controller."""

    def feed(self, queue: WorkQueue[Key]) -> None:
        """Start putting keys into the queue."""


@dataclass(frozen=True)
class Watch(Generic[ResourceT]):
    """The changes in a cache, and the keys of a controller that each of them concerns.

    `concerned` gets the object before and after a change, None where it does not exist (never
    both). `delay` is in seconds: changes within it are reconciled once.
    """

    cache: Cache[ResourceT]
    concerned: Callable[[ResourceT | None, ResourceT | None], Iterable[Key]]
    delay: float = 0.0

    def feed(self, queue: WorkQueue[Key]) -> None:
        """Put the concerned keys into the queue at each change from now on."""

        def take(old: ResourceT | None, new: ResourceT | None) -> None:
            for key in self.concerned(old, new):
                queue.add_after(key, self.delay)

        self.cache.subscribe(take)


def itself(_: Resource | None, new: Resource | None) -> Iterable[Key]:
    """Yield the changed object's own key while it exists: any change concerns it."""
    if new is not None:
        yield key_of(new)


def spec_changed(old: Resource | None, new: Resource | None) -> bool:
    """Tell whether an object was created or deleted, is being deleted now, or has another spec.

    The API counts changes of a spec in the generation; heartbeats and labels do not change it.
    """
    return _wanted(old) != _wanted(new)


@dataclass(frozen=True)
class KindController(Generic[ResourceT]):
    """A reconciled kind: its objects, the changes that concern them, and the work.

    `reconcile` gets one of `objects` and returns the seconds after which to come back, None when
    only a change matters. It raises Conflict when that object is not the newest, and is then called
    with the newest. Most kinds make plans and get it from `planned`; a kind whose work is outside
    the API, where each step depends on the response to the step before, implements it itself.
    """

    objects: Cache[ResourceT]
    reconcile: Reconcile[ResourceT]
    watches: tuple[Source, ...]
    workers: int
    # Awaited first: does what is left to do for earlier objects of this key.
    settle: Callable[[Key], Awaitable[None]] | None = None

    def build(self, client: Client) -> Controller:
        """Return the controller that runs it; its queue fills from now on."""
        kind = self.objects.kind

        async def reconcile_key(key: Key) -> float | None:
            if self.settle is not None:
                await self.settle(key)
            known = self.objects.get(*key)
            return await reconcile_newest(client, kind, key, known, self.reconcile)

        controller = Controller(kind.kind, reconcile_key, self.workers, self._list_keys)
        for watch in self.watches:
            watch.feed(controller.queue)
        return controller

    def _list_keys(self) -> list[Key]:
        return [key_of(item) for item in self.objects.list()]


def planned(client: Client, plan: Callable[[ResourceT], Awaitable[Plan]]) -> Reconcile[ResourceT]:
    """Return the `reconcile` that carries out what is planned for an object.

    `plan` may read from the API what caches do not have in time; it writes nothing.
    """

    async def reconcile(resource: ResourceT) -> float | None:
        return await execute_plan(client, await plan(resource))

    return reconcile


def _wanted(resource: Resource | None) -> object:
    if resource is None:
        return None
    metadata = resource["metadata"]
    return uid_of(resource), metadata.get("generation"), metadata.get("deletionTimestamp")
