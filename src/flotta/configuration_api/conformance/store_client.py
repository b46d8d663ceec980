"""The connection to the store, which keeps what was said over it."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self

import aiohttp
import msgspec
from yarl import URL

from flotta.configuration_api.conformance.exchange import Exchange
from flotta.configuration_api.conformance.outcomes import Failed, Unreachable
from flotta.protocol.store_url import checked_url

PATIENCE = 30.0  # seconds for a response, besides those for which the request may be held
MOST = 32 * 1024 * 1024  # bytes of a body that are read
BROKEN = (aiohttp.ClientError, TimeoutError, OSError)


class StoreClient:
    """Sends requests; `exchanges` are all of them in order. Use it as `async with`."""

    def __init__(self, url: str, tls: ssl.SSLContext | None = None) -> None:
        self._url = checked_url(url, "URL")
        self._tls = tls
        self.exchanges: list[Exchange] = []

    @property
    def is_encrypted(self) -> bool:
        """Whether the store is spoken to over TLS."""
        return self._url.startswith("https:")

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(ssl=self._tls if self._tls is not None else True)
        self._session = aiohttp.ClientSession(connector=connector)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._session.close()

    async def send(
        self,
        method: str,
        path: str,
        content: object = None,
        headers: Mapping[str, str] | None = None,
        *,
        hold: int = 0,
    ) -> Exchange:
        """Send a request to a path below the base path; `content` is sent as JSON, bytes as are.

        `hold` are the seconds for which the store may hold it. Raises Failed if there is no
        response.
        """
        body = _encode(content)
        sent = {"Content-Type": "application/json"} if body is not None else {}
        sent |= headers or {}
        if hold:
            sent["Prefer"] = f"wait={hold}"
        started = time.monotonic()
        try:
            async with asyncio.timeout(PATIENCE + hold):
                found = await self._request(method, path, body, sent)
        except TimeoutError as error:
            raise Failed(f"{method} /{path} got no response in {PATIENCE + hold:g} s") from error
        except BROKEN as error:
            raise Failed(f"{method} /{path} got no response: {error or type(error)}") from error
        status, received, data = found
        seconds = time.monotonic() - started
        exchange = Exchange(method, path, status, received, data, seconds, hold)
        self.exchanges.append(exchange)
        return exchange

    async def require_reachable(self) -> None:
        """Raise Unreachable with a sentence if no connection can be made."""
        try:
            async with asyncio.timeout(PATIENCE):
                await self._request("GET", "changes", None, {})
        except BROKEN as error:
            raise Unreachable(f"{self._url} cannot be reached: {error or type(error)}") from error

    async def _request(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> tuple[int, dict[str, str], bytes]:
        url = URL(f"{self._url}/{path}", encoded=True)
        async with self._session.request(
            method, url, data=body, headers=headers, allow_redirects=False
        ) as response:
            received = {name.lower(): value for name, value in response.headers.items()}
            return response.status, received, await _read(response)


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """Return the body, as much of it as may be kept."""
    data = bytearray()
    async for chunk in response.content.iter_chunked(64 * 1024):
        data += chunk
        if len(data) > MOST:
            break
    return bytes(data)


def _encode(content: object) -> bytes | None:
    if content is None or isinstance(content, bytes):
        return content
    return msgspec.json.encode(content)
