"""Requests of devices that are held, and the looks at the store on their behalf.

One schedule for all devices: however many requests a device holds, it is looked at once, and a
bounded number of devices at a time. A device whose last request has ended is not looked at again.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
import random
from collections.abc import Awaitable, Callable, Iterable

from flotta.edge_api.backends.backend import BackendError
from flotta.edge_api.backends.remote.client import DeviceName
from flotta.edge_api.refusals import Refusal
from flotta.identity.holder import Peer
from flotta.limited_log import LimitedLog

LOOKERS = 16  # looks at a time
JITTER = 0.25  # part of the time between two looks by which it varies at random
PAUSE = 2.0  # most seconds for which one of them pauses while the store cannot be used
SPREAD = 500.0  # looks a second that are planned when everything may have changed
SPARE = 1000  # places in the schedule that may be of no use, besides one for each device
log = logging.getLogger(__name__)


class _Held:
    """The held requests of one device, and when it is looked at next: its place in the schedule."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.futures: set[asyncio.Future[None]] = set()
        self.plan = 0  # of its newest place
        self.due: float | None = None  # seconds of the loop; None for no place


class HeldRequests:
    """Holds requests until they are woken, and has their devices looked at.

    `look` asks the store about a device; whoever finds a change calls `wake`. While `polls` is
    true, every device is looked at every `interval` seconds or so, else only when told to. Few
    looks are made while the store is not `is_usable`.
    """

    def __init__(
        self,
        look: Callable[[DeviceName, Peer], Awaitable[None]],
        interval: float,
        is_usable: Callable[[], bool],
    ) -> None:
        self._look = look
        self._is_usable = is_usable
        self._interval = interval
        self._held: dict[DeviceName, _Held] = {}
        self._schedule: list[tuple[float, int, DeviceName]] = []  # a heap; the number is the plan
        self._plans = 0
        self._changed = asyncio.Event()  # of the schedule
        self._failures = LimitedLog(log, 1, 60.0)
        self.polls = True

    def __len__(self) -> int:
        """Return how many devices hold requests."""
        return len(self._held)

    @property
    def planned(self) -> int:
        """How many looks are planned, including those that turned out not to be needed."""
        return len(self._schedule)

    async def wait(
        self, name: DeviceName, peer: Peer, seconds: float, *, looks_now: bool = False
    ) -> None:
        """Return when the device is woken, or after that time.

        `looks_now`: a change is known that the request may have missed.
        """
        held = self._held.get(name)
        if held is None:
            held = self._held[name] = _Held(peer)
            if self.polls:
                self._plan(name, held, self._next_interval())
        if looks_now:
            self._plan(name, held, 0.0)
        held.peer = peer
        future = asyncio.get_running_loop().create_future()
        held.futures.add(future)
        try:
            await asyncio.wait([future], timeout=seconds)
        finally:
            held.futures.discard(future)
            if not held.futures and self._held.get(name) is held:
                del self._held[name]

    def look_soon(self, names: Iterable[DeviceName]) -> None:
        """Look at these devices now, if they hold requests."""
        for name in names:
            held = self._held.get(name)
            if held is not None:
                self._plan(name, held, 0.0)

    def look_at_all(self) -> None:
        """Look at every device that holds a request, one after the other."""
        for number, (name, held) in enumerate(self._held.items()):
            self._plan(name, held, number / SPREAD)

    def wake(self, name: DeviceName) -> None:
        """Make the held requests of a device check again."""
        held = self._held.get(name)
        for future in held.futures if held else ():
            if not future.done():
                future.set_result(None)

    def wake_all(self) -> None:
        """Make everything check again (the server stops)."""
        for name in list(self._held):
            self.wake(name)

    async def run(self) -> None:
        """Look as planned until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(LOOKERS):
                group.create_task(self._look_on())

    async def _look_on(self) -> None:
        while True:
            name, held = await self._next()
            try:
                await self._look(name, held.peer)
            except (BackendError, Refusal) as error:
                level = logging.WARNING if isinstance(error, BackendError) else logging.DEBUG
                text = "%s/%s waits for changes, and cannot be looked at: %s"
                self._failures.log(level, text, *name, error)
                if not self._is_usable():
                    await asyncio.sleep(PAUSE * random.random())  # noqa: S311 - spreads load
            if self.polls and self._held.get(name) is held:
                self._plan(name, held, self._next_interval())

    async def _next(self) -> tuple[DeviceName, _Held]:
        """Wait for the next look that is due and still needed."""
        loop = asyncio.get_running_loop()
        while True:
            while self._schedule and self._schedule[0][0] <= loop.time():
                _, plan, name = heapq.heappop(self._schedule)
                held = self._held.get(name)
                if held is not None and held.plan == plan:
                    held.due = None
                    return name, held
            due = self._schedule[0][0] - loop.time() if self._schedule else None
            self._changed.clear()
            try:
                async with asyncio.timeout(due):
                    await self._changed.wait()
            except TimeoutError:
                continue

    def _plan(self, name: DeviceName, held: _Held, delay: float) -> None:
        """Plan the next look at a device for then, unless one is planned that is earlier."""
        due = asyncio.get_running_loop().time() + delay
        if held.due is not None and held.due <= due:
            return
        self._plans += 1
        held.plan, held.due = self._plans, due
        heapq.heappush(self._schedule, (due, held.plan, name))
        if len(self._schedule) > SPARE + 2 * len(self._held):
            self._drop_replaced()
        self._changed.set()

    def _drop_replaced(self) -> None:
        """Drop the places in the schedule that others have replaced."""
        plans = {name: held.plan for name, held in self._held.items()}
        self._schedule = [item for item in self._schedule if plans.get(item[2]) == item[1]]
        heapq.heapify(self._schedule)

    def _next_interval(self) -> float:
        return self._interval * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - spreads load
