"""Ask the Edge API for what is waiting, again and again, without wearing anybody out."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Awaitable, Callable
from typing import Protocol

from flotta.backoff import Backoff
from flotta.gateway.diagnosis import explain, retry_after
from flotta.gateway.edge_api import Channel
from flotta.gateway.errors import GatewayError, IdentityUnusable
from flotta.gateway.journal import Journal
from flotta.gateway.lane import Answer
from flotta.gateway.pairs import Identity
from flotta.gateway.settings import Settings
from flotta.gateway.store import IdentityStore

log = logging.getLogger(__name__)

UNREADABLE_PAUSE = 60.0


class Source(Protocol):
    """Where polls go to."""

    async def poll(self, channel: Channel, etag: str | None) -> Answer: ...


class Poll:
    """One channel: `take` gets each new body and says whether it contained anything new."""

    def __init__(
        self,
        channel: Channel,
        settings: Settings,
        store: IdentityStore,
        source: Source,
        take: Callable[[bytes], Awaitable[bool]],
    ) -> None:
        self._channel = channel
        self._device_id = settings.device_id
        self._pace = settings.pace
        self._store = store
        self._source = source
        self._take = take
        self._etag: str | None = None
        self._backoff = Backoff(self._pace.retry_first, self._pace.retry_most)
        self._journal = Journal(log)
        self.accepted: Callable[[Identity], None] = lambda _: None
        self.unauthorized: Callable[[Identity], object] = lambda _: None

    async def run(self, gate: asyncio.Event) -> None:
        """Poll for ever while the gate is open."""
        while True:
            await gate.wait()
            await asyncio.sleep(await self.once())

    async def once(self) -> float:
        """Poll once; return the seconds to wait before the next time."""
        try:
            identity = self._store.current()
            if not identity.is_device:
                raise IdentityUnusable("there is no device certificate: the worker must register")
            answer = await self._source.poll(self._channel, self._etag)
        except GatewayError as error:
            self._journal.trouble(self._name, str(error))
            return self._backoff.next()
        if not answer.good:
            return self._refused(answer, identity)
        self.accepted(identity)
        return await self._taken(answer)

    @property
    def _name(self) -> str:
        return f"poll for {self._channel}"

    def _refused(self, answer: Answer, identity: Identity) -> float:
        self._journal.trouble(self._name, explain(answer.status, self._device_id))
        if answer.status == 401:
            with contextlib.suppress(IdentityUnusable):
                self.unauthorized(identity)
        return self._backoff.next(retry_after(answer))

    async def _taken(self, answer: Answer) -> float:
        self._backoff.reset()
        fresh = False
        if answer.status == 200 and answer.body.strip():
            try:
                fresh = await self._take(answer.body)
            except ValueError as error:
                self._journal.trouble(self._name, f"the message is unreadable: {error}")
                return UNREADABLE_PAUSE
        if answer.status == 200:
            self._etag = answer.headers.get("etag")
        self._journal.fine(self._name)
        return self._pause(answer, fresh=fresh)

    def _pause(self, answer: Answer, *, fresh: bool) -> float:
        """Ask again at once, unless the server answers without holding the request.

        Servers of v0.2 know neither ETag nor Prefer and send everything every time.
        """
        if answer.elapsed >= self._pace.quick_answer:
            return 0.0
        if fresh:
            return self._pace.quick_answer
        return self._pace.quick_pause * random.uniform(1.0, 1.5)  # noqa: S311
