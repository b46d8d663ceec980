"""Polls of the Edge API for commands and configurations (docs/reference/device.md#polls)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Awaitable, Callable
from typing import Protocol

from flotta.backoff import Backoff
from flotta.gateway.edge_api_client import Channel
from flotta.gateway.errors import GatewayError, IdentityUnusable
from flotta.gateway.http_client import HttpResponse
from flotta.gateway.identity import Identity
from flotta.gateway.identity_store import IdentityStore
from flotta.gateway.log_once import LogOnce
from flotta.gateway.settings import Settings
from flotta.gateway.status_codes import explain_refusal
from flotta.protocol.reasons.device_programs import UNREADABLE_MESSAGE
from flotta.protocol.reasons.reason import with_code

log = logging.getLogger(__name__)

MAX_REASON = 300  # characters of an error that quotes the message
UNREADABLE_DELAY = 60.0  # seconds until the next poll after a message that cannot be read


class PollTarget(Protocol):
    """The target of polls."""

    async def poll(self, channel: Channel, etag: str | None) -> HttpResponse:
        """Return what is waiting on a channel, status 304 if that is what `etag` names.

        Raises GatewayError when there is no response.
        """


class Poll:
    """Polls one channel: `handle_body` gets each body and returns whether it had anything new."""

    def __init__(
        self,
        channel: Channel,
        settings: Settings,
        store: IdentityStore,
        target: PollTarget,
        handle_body: Callable[[bytes], Awaitable[bool]],
    ) -> None:
        self._channel = channel
        self._device_id = settings.device_id
        self._timing = settings.timing
        self._store = store
        self._target = target
        self._handle_body = handle_body
        self._etag: str | None = None
        self._backoff = Backoff(self._timing.retry_first, self._timing.retry_cap)
        self._log_once = LogOnce(log)
        self.on_accepted: Callable[[Identity], None] = lambda _: None
        self.on_refused: Callable[[HttpResponse], None] = lambda _: None
        self.on_failed: Callable[[GatewayError], None] = lambda _: None
        self.on_unauthorized: Callable[[Identity], object] = lambda _: None

    def forget(self) -> None:
        """Ask for everything with the next request, also for what did not change."""
        self._etag = None

    async def run(self, may_poll: asyncio.Event) -> None:
        """Poll while `may_poll` is set, until cancelled."""
        while True:
            await may_poll.wait()
            await asyncio.sleep(await self.poll_once())

    async def poll_once(self) -> float:
        """Poll once; return the seconds to wait before the next time."""
        try:
            if not self._store.load_current().is_device:
                raise IdentityUnusable(
                    "this device has no certificate of its own yet; it must register"
                )
            response = await self._target.poll(self._channel, self._etag)
        except GatewayError as error:
            self._log_once.failed(self._activity, str(error))
            self.on_failed(error)
            return self._backoff.next()
        if not response.ok:
            return self._handle_refusal(response)
        delay = await self._handle_response(response)
        if response.identity is not None:
            self.on_accepted(response.identity)
        return delay

    @property
    def _activity(self) -> str:
        return f"poll for {self._channel}"

    def _handle_refusal(self, response: HttpResponse) -> float:
        self._log_once.failed(self._activity, explain_refusal(response, self._device_id))
        self.on_refused(response)
        if response.status == 401 and response.identity is not None:
            with contextlib.suppress(IdentityUnusable):
                self.on_unauthorized(response.identity)
        return self._backoff.next(response.retry_after)

    async def _handle_response(self, response: HttpResponse) -> float:
        self._backoff.reset()
        fresh = False
        if response.status == 200 and response.body.strip():
            try:
                fresh = await self._handle_body(response.body)
            except (ValueError, RecursionError) as error:
                reason = f"the message cannot be read: {str(error)[:MAX_REASON]}"
                self._log_once.failed(self._activity, with_code(reason, UNREADABLE_MESSAGE))
                return UNREADABLE_DELAY
        if response.status == 200:
            self._etag = response.headers.get("etag")
        self._log_once.recovered(self._activity)
        return self._choose_delay(response, fresh=fresh)

    def _choose_delay(self, response: HttpResponse, *, fresh: bool) -> float:
        """Return the seconds until the next poll: 0 unless the server did not hold the request.

        Servers of v0.2 support neither ETag nor Prefer and send everything every time. Their
        configurations differ although nothing has changed, in version and order, so one that is new
        does not mean that more is to come.
        """
        if response.elapsed >= self._timing.quick_response:
            return 0.0
        if fresh and (self._channel == "control" or self._etag is not None):
            return self._timing.quick_response
        return self._timing.quick_delay * random.uniform(1.0, 1.5)  # noqa: S311
