"""The Edge API as the gateway uses it: two polls and any number of messages, each in its own lane."""

from __future__ import annotations

import asyncio
import ssl
from typing import Literal

from flotta.gateway.clock import Clock
from flotta.gateway.connection import Connection, connect
from flotta.gateway.errors import IdentityUnusable
from flotta.gateway.lane import Answer, Lane, Request
from flotta.gateway.pairs import Identity
from flotta.gateway.settings import Settings
from flotta.gateway.store import IdentityStore
from flotta.identity.ssl_contexts import client_context

Channel = Literal["control", "data"]

SENDS_AT_ONCE = 4


class EdgeApi:
    """Requests to one Edge API with the device's present identity.

    Files are read anew for every connection, so a new certificate or a changed CA needs no
    restart, only `reconnect`.
    """

    def __init__(self, settings: Settings, store: IdentityStore, clock: Clock) -> None:
        self._settings = settings
        self._store = store
        self._clock = clock
        self._polls: dict[Channel, Lane] = {
            "control": Lane(settings, self._connect),
            "data": Lane(settings, self._connect),
        }
        self._slots = asyncio.Semaphore(SENDS_AT_ONCE)
        self._idle: list[Lane] = []
        self._epoch = 0

    async def poll(self, channel: Channel, etag: str | None) -> Answer:
        """GET what is waiting; the server may hold the request until there is something."""
        hold = self._settings.pace.hold
        headers = [("Accept", "application/json"), ("Prefer", f"wait={hold}")]
        if etag:
            headers.append(("If-None-Match", etag))
        request = Request("GET", self._path(channel, "in"), tuple(headers), hold=hold)
        return self._learned(await self._polls[channel].request(request))

    async def post(self, channel: Channel, body: bytes) -> Answer:
        """POST one message with the present identity. One that is stuck holds up no other."""
        async with self._slots:
            epoch = self._epoch
            lane = self._idle.pop() if self._idle else Lane(self._settings, self._connect)
            try:
                return await self._post(lane, channel, body)
            finally:
                if lane.open and epoch == self._epoch and not self._idle:
                    self._idle.append(lane)
                else:
                    lane.close()

    async def post_as(self, identity: Identity, channel: Channel, body: bytes) -> Answer:
        """POST one message with a given identity over a connection of its own."""

        async def open_connection() -> Connection:
            return await connect(self._settings, self._context(identity), self._clock)

        lane = Lane(self._settings, open_connection)
        try:
            return await self._post(lane, channel, body)
        finally:
            lane.close()

    def reconnect(self) -> None:
        """Drop connections that are made with an earlier identity, without cutting messages off."""
        self._epoch += 1
        for lane in (*self._polls.values(), *self._idle):
            lane.close()
        self._idle.clear()

    async def _post(self, lane: Lane, channel: Channel, body: bytes) -> Answer:
        return self._learned(
            await lane.request(Request("POST", self._path(channel, "out"), body=body))
        )

    def _path(self, channel: Channel, direction: str) -> str:
        settings = self._settings
        return f"/{settings.path_prefix}/{channel}/{settings.device_id}/{direction}"

    async def _connect(self) -> Connection:
        """Return a connection with the present identity, also when that changed meanwhile."""
        while True:
            epoch, identity = self._epoch, self._store.current()
            connection = await connect(self._settings, self._context(identity), self._clock)
            if epoch == self._epoch:
                return connection
            connection.abort()

    def _context(self, identity: Identity) -> ssl.SSLContext:
        self._clock.not_before(identity.peer.not_before)
        try:
            return client_context(self._settings.ca_root, identity.cert_path, identity.key_path)
        except OSError as error:  # ssl.SSLError is one, too
            files = ", ".join(map(str, (*self._settings.ca_root, identity.cert_path)))
            raise IdentityUnusable(f"one of {files} cannot be used: {error}") from error

    def _learned(self, answer: Answer) -> Answer:
        if "date" in answer.headers:
            self._clock.learn(answer.headers["date"])
        return answer
