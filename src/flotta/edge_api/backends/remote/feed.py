"""The feed of changes: one long poll for the whole fleet, where the store has it.

Without one, devices that hold requests are looked at one by one. The feed is trusted only as long
as its requests are answered; after that everything that is known is read again before it is used.
"""

from __future__ import annotations

import asyncio
import logging
import random

from flotta.backoff import Backoff
from flotta.edge_api.backends.remote import requests
from flotta.edge_api.backends.remote.answers import read_changes, read_name
from flotta.edge_api.backends.remote.circuit import Circuit
from flotta.edge_api.backends.remote.held_requests import HeldRequests
from flotta.edge_api.backends.remote.knowledge import Knowledge
from flotta.edge_api.backends.remote.problems import StoreError
from flotta.edge_api.backends.remote.transport import Transport
from flotta.edge_api.backends.remote.unexpected import explain
from flotta.limited_log import LimitedLog
from flotta.protocol.configuration_api import Changes

HOLD = 30  # seconds for which the store is asked to hold a request
LIMIT = 1024 * 1024  # bytes of an answer; a store that has more to say answers in pieces
INTERVAL = 0.1  # least seconds between two requests
# First and longest seconds until a request is repeated that failed, or told of no progress.
RETRY = 1.0, 30.0
ABSENT = 600.0  # seconds until a store without a feed is asked again
SHORT = 1.0  # seconds; a store that answers earlier without a change does not hold requests
SUSPICIOUS = 3  # answers without progress, one after the other, that are worth a warning
WARNING_INTERVAL = 600.0  # seconds between two of them
log = logging.getLogger(__name__)


class Feed:
    """Follows the changes of one store, and tells what is known and who is held about them."""

    def __init__(
        self,
        transport: Transport,
        circuit: Circuit,
        knowledge: Knowledge,
        held: HeldRequests,
        timeout: float,
    ) -> None:
        self._transport = transport
        self._circuit = circuit
        self._knowledge = knowledge
        self._held = held
        self._timeout = timeout
        self._version = 0
        self._backoff = Backoff(*RETRY)
        self._warnings = LimitedLog(log, 1, WARNING_INTERVAL)

    async def run(self) -> None:
        """Follow until cancelled."""
        while True:
            try:
                delay = await self._ask()
            except StoreError as error:
                self._lose()
                self._circuit.note(error)
                self._warnings.log(
                    logging.WARNING,
                    "The data store does not tell of changes, so devices that wait are polled for: "
                    "%s",
                    error,
                )
                delay = self._backoff.next()
            await asyncio.sleep(delay)

    async def _ask(self) -> float:
        """Ask once; return the seconds until the next time."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        # The first request is not held, so that it tells at once whether there is a feed.
        is_first = not self._knowledge.has_feed
        changes = await self._request(0 if is_first else HOLD)
        if changes is None:
            self._lose()
            return ABSENT * random.uniform(0.75, 1.25)  # noqa: S311 - spreads load
        seconds = loop.time() - started
        is_progress = changes.complete and changes.version > self._version
        was_held = changes.complete and changes.version == self._version and seconds >= SHORT
        self._take(changes)
        if is_progress or was_held:
            self._backoff.reset()
        elif not is_first:
            return self._delay()
        return max(0.0, INTERVAL - seconds)

    def _delay(self) -> float:
        """Return the seconds to wait after an answer that no correct store gives twice."""
        delay = self._backoff.next()
        if self._backoff.failures >= SUSPICIOUS:
            self._warnings.log(
                logging.WARNING,
                "The data store answers GET changes at once though nothing new happened, or does "
                "not know a version that it gave. It is asked less often, so changes come late; "
                "correct the store",
            )
        return delay

    async def _request(self, hold: int) -> Changes | None:
        """Return what changed, None when the store has no feed; raises StoreError."""
        call = requests.get_changes(self._version, hold, LIMIT)
        answer = await self._transport.call(
            call.method,
            call.path,
            headers=call.headers,
            body=None,
            limit=call.limit,
            seconds=hold + self._timeout,
        )
        if answer.status in requests.NOT_OFFERED:
            self._circuit.succeeded()
            return None
        if answer.status not in call.statuses:
            raise explain(call.operation, answer)
        self._circuit.succeeded()
        return read_changes(answer.body)

    def _take(self, changes: Changes) -> None:
        is_whole = changes.complete and changes.version >= self._version
        self._version = changes.version
        if not self._knowledge.has_feed or not is_whole:
            self._follow_anew()
            return
        names = [name for name in map(read_name, changes.devices) if name is not None]
        for name in names:
            self._knowledge.note_change(name)
        self._held.look_soon(names)

    def _follow_anew(self) -> None:
        """Begin to rely on the feed: from now on every change is told."""
        if not self._knowledge.has_feed:
            log.info("The data store tells of changes; devices are not polled for")
        self._knowledge.note_all_changed()
        self._knowledge.has_feed = True
        self._held.polls = False
        self._held.look_at_all()

    def _lose(self) -> None:
        """Rely on the feed no longer."""
        if self._knowledge.has_feed:
            self._knowledge.has_feed = False
            self._held.polls = True
            self._held.look_at_all()
