"""Join again without the worker's help when the device certificate was lost or became foreign.

A worker that was registered once works on with its stored configuration and does not enrol again.
So when it sends messages while there is nothing but the registration pair (a new control plane, a
changed device id, damaged files), the gateway enrols and registers itself; the hardware follows
with the worker's heartbeats.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable

import msgspec

from flotta.backoff import Backoff
from flotta.gateway.diagnosis import explain, retry_after
from flotta.gateway.errors import GatewayError
from flotta.gateway.journal import Journal
from flotta.gateway.lane import Answer
from flotta.gateway.registration import Registration
from flotta.gateway.settings import Settings
from flotta.gateway.store import IdentityStore
from flotta.protocol.directives import ENROLMENT, REGISTRATION

log = logging.getLogger(__name__)

APPROVED = 208
PATIENCE = 5.0  # seconds for a worker to enrol by itself

Post = Callable[[str, msgspec.Raw], Awaitable[Answer]]


class Rejoining:
    """Enrols and registers while it is needed."""

    def __init__(
        self, settings: Settings, store: IdentityStore, registration: Registration, post: Post
    ) -> None:
        self._device_id = settings.device_id
        self._pace = settings.pace
        self._store = store
        self._registration = registration
        self._post = post
        self._needed = asyncio.Event()
        self._journal = Journal(log)

    def need(self) -> None:
        """A worker has something to say, but the device has no certificate of its own."""
        self._needed.set()

    async def run(self) -> None:
        """Join whenever it is needed; for ever."""
        while True:
            await self._needed.wait()
            await asyncio.sleep(min(PATIENCE, self._pace.quick_pause))
            await self._join()
            self._needed.clear()

    async def _join(self) -> None:
        backoff = Backoff(self._pace.retry_first, self._pace.retry_most)
        while not self._has_certificate():
            wait = 0.0
            try:
                answer = await self._attempt()
                if answer.status == 200:
                    break
                self._journal.trouble("joining again", explain(answer.status, self._device_id))
                wait = retry_after(answer)
            except (GatewayError, OSError) as error:
                self._journal.trouble("joining again", str(error))
            await asyncio.sleep(backoff.next(wait))
        self._journal.fine("joining again")

    async def _attempt(self) -> Answer:
        enrolment = self._registration.enrolment(b'{"features":{}}')
        answer = await self._post(ENROLMENT, enrolment)
        if answer.status == 200:  # recorded, not approved yet
            return Answer(404, answer.headers)
        if answer.status != APPROVED:
            return answer
        return await self._registration.register(
            b"{}", lambda content: self._post(REGISTRATION, content)
        )

    def _has_certificate(self) -> bool:
        with contextlib.suppress(GatewayError):
            return self._store.current().is_device
        return False
