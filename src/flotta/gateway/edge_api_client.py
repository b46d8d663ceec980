"""Requests to the Edge API: two polls, and messages that do not block each other.

See docs/reference/device.md#connections.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Literal

from flotta.gateway.clock import Clock
from flotta.gateway.errors import IdentityUnusable
from flotta.gateway.http_client import HttpConnection, HttpRequest, HttpResponse
from flotta.gateway.identity import Identity
from flotta.gateway.identity_store import IdentityStore
from flotta.gateway.settings import Settings
from flotta.gateway.tls_connection import TlsConnection, connect
from flotta.identity.ssl_contexts import client_context

Channel = Literal["control", "data"]

MAX_PARALLEL_SENDS = 4  # connections for messages, besides the two for polls


class EdgeApiClient:
    """Requests to one Edge API with the device's present identity.

    Files are read again for every connection, so a new certificate or a changed CA needs only
    `reconnect`, not a restart.
    """

    def __init__(self, settings: Settings, store: IdentityStore, clock: Clock) -> None:
        self._settings = settings
        self._store = store
        self._clock = clock
        self._polls: dict[Channel, HttpConnection] = {
            "control": HttpConnection(settings, self._connect),
            "data": HttpConnection(settings, self._connect),
        }
        self._slots = asyncio.Semaphore(MAX_PARALLEL_SENDS)
        self._idle: list[HttpConnection] = []
        self._epoch = 0

    async def poll(self, channel: Channel, etag: str | None) -> HttpResponse:
        """GET what is waiting; the server may hold the request until there is something.

        The headers are in docs/reference/wire-protocol.md#headers-and-caching.
        """
        hold = self._settings.timing.hold
        headers = [("Accept", "application/json"), ("Prefer", f"wait={hold}")]
        if etag:
            headers.append(("If-None-Match", etag))
        request = HttpRequest("GET", self._channel_path(channel, "in"), tuple(headers), hold=hold)
        return self._learn_time(await self._polls[channel].request(request))

    async def post(self, channel: Channel, body: bytes) -> HttpResponse:
        """POST one message with the present identity. One that is stuck does not delay others."""
        async with self._slots:
            epoch = self._epoch
            connection = (
                self._idle.pop() if self._idle else HttpConnection(self._settings, self._connect)
            )
            try:
                return await self._post(connection, channel, body)
            finally:
                if connection.open and epoch == self._epoch and not self._idle:
                    self._idle.append(connection)
                else:
                    connection.close()

    async def post_as(self, identity: Identity, channel: Channel, body: bytes) -> HttpResponse:
        """POST one message with a given identity over a connection of its own."""

        async def open_connection() -> TlsConnection:
            return await self._connect_as(identity)

        connection = HttpConnection(self._settings, open_connection)
        try:
            return await self._post(connection, channel, body)
        finally:
            connection.close()

    def reconnect(self) -> None:
        """Drop the connections of an earlier identity, but let messages on their way finish."""
        self._epoch += 1
        for connection in (*self._polls.values(), *self._idle):
            connection.close()
        self._idle.clear()

    async def _post(
        self, connection: HttpConnection, channel: Channel, body: bytes
    ) -> HttpResponse:
        return self._learn_time(
            await connection.request(
                HttpRequest("POST", self._channel_path(channel, "out"), body=body)
            )
        )

    def _channel_path(self, channel: Channel, direction: str) -> str:
        settings = self._settings
        return f"/{settings.path_prefix}/{channel}/{settings.device_id}/{direction}"

    async def _connect(self) -> TlsConnection:
        """Return a connection with the present identity, even if that changed meanwhile."""
        while True:
            epoch, identity = self._epoch, self._store.load_current()
            connection = await self._connect_as(identity)
            if epoch == self._epoch:
                return connection
            connection.abort()

    async def _connect_as(self, identity: Identity) -> TlsConnection:
        context, trusted = self._make_context(identity), self._store.trusted_files
        return await connect(self._settings, context, self._clock, identity, trusted)

    def _make_context(self, identity: Identity) -> ssl.SSLContext:
        self._clock.raise_floor(identity.peer.not_before)
        try:
            context = client_context(self._store.trusted)
            identity.key.present(context, identity.cert_path)
            return context
        except OSError as error:  # ssl.SSLError is an OSError
            files = f"{self._store.trusted_files}, {identity.cert_path}"
            raise IdentityUnusable(f"one of {files} cannot be used: {error}") from error

    def _learn_time(self, response: HttpResponse) -> HttpResponse:
        if "date" in response.headers:
            self._clock.learn_time(response.headers["date"])
        return response
