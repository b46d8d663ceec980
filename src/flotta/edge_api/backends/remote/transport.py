"""HTTP to the remote data store: one call, one answer, both bounded. Nothing is retried here.

TLS 1.3, redirects and proxies are not followed, and no body is inflated.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass

import aiohttp
from aiohttp import hdrs

from flotta.edge_api.backends.remote.problems import (
    StoreAnswerInvalid,
    StoreError,
    StoreRefused,
    StoreUnreachable,
)
from flotta.edge_api.backends.remote.tls_failures import TRUST_FLEET, explain_tls
from flotta.printable_text import printable

MAX_CALLS = 64  # at once; further ones wait for their turn
MAX_CAUSE = 200  # characters of what the network says
PIECE = 64 * 1024  # bytes that are read at once
LARGE = 1024 * 1024  # bytes; larger answers are read one after the other
LARGE_WAIT = 6.0  # seconds for which one of them waits for its turn
JSON = "application/json"


@dataclass(frozen=True)
class Answer:
    """A response of the store; the names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Transport:
    """Connections to one store. `context` returns what TLS is done with; None for plain HTTP."""

    def __init__(self, url: str, context: Callable[[], ssl.SSLContext | None]) -> None:
        self._url = url
        self._context = context
        self._session: aiohttp.ClientSession | None = None
        self._turns = asyncio.Semaphore(MAX_CALLS)
        self._large = asyncio.Semaphore(1)

    async def close(self) -> None:
        """End all connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    @contextlib.asynccontextmanager
    async def turn(self, seconds: float) -> AsyncIterator[None]:
        """Wait at most so long until fewer than MAX_CALLS calls are made at once.

        Raises StoreUnreachable after that time.
        """
        try:
            async with asyncio.timeout(seconds):
                await self._turns.acquire()
        except TimeoutError as error:
            raise StoreUnreachable(
                "The Edge API waits for too many answers of the data store already; look at the "
                "load of the store"
            ) from error
        try:
            yield
        finally:
            self._turns.release()

    async def call(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None,
        limit: int,
        seconds: float,
    ) -> Answer:
        """Return the answer to a request for a path below the base path.

        Its body has at most `limit` bytes, and it is complete within `seconds`. Raises StoreError.
        """
        session = self._open()
        given = {hdrs.ACCEPT: JSON, hdrs.ACCEPT_ENCODING: "identity", **headers}
        if body is not None:
            given[hdrs.CONTENT_TYPE] = JSON
        try:
            async with (
                asyncio.timeout(seconds) as deadline,
                session.request(
                    method,
                    self._url + path,
                    data=body,
                    headers=given,
                    allow_redirects=False,
                    ssl=self._context() or True,  # connections of a former context run out
                ) as response,
            ):
                return await self._read(response, limit, deadline)
        except TimeoutError as error:
            raise StoreUnreachable(
                f"The data store at {self._url} did not answer within {seconds:.3g} s; look at its "
                "load and at the network, or raise REMOTE_BACKEND_TIMEOUT",
                is_outage=True,
                retriable=True,
            ) from error
        except (aiohttp.ClientError, OSError, ssl.SSLError) as error:
            raise self._explain(error) from error

    async def _read(
        self, response: aiohttp.ClientResponse, limit: int, deadline: asyncio.Timeout
    ) -> Answer:
        if (response.content_length or 0) > limit:
            raise _too_large(limit)
        pieces, size = [], 0
        async with contextlib.AsyncExitStack() as stack:
            async for piece in response.content.iter_chunked(PIECE):
                if size <= LARGE < size + len(piece):
                    await stack.enter_async_context(self._large_turn(deadline))
                size += len(piece)
                if size > limit:
                    raise _too_large(limit)
                pieces.append(piece)
            headers = {name.lower(): value for name, value in response.headers.items()}
            return Answer(response.status, headers, b"".join(pieces))

    @contextlib.asynccontextmanager
    async def _large_turn(self, deadline: asyncio.Timeout) -> AsyncIterator[None]:
        """Wait until no other large answer is read; the store has as much more time for its own."""
        loop, end = asyncio.get_running_loop(), deadline.when()
        began = loop.time()
        deadline.reschedule(None)
        try:
            async with asyncio.timeout(LARGE_WAIT):
                await self._large.acquire()
        except TimeoutError as error:
            raise StoreUnreachable(
                "Too many large configurations come from the data store at once; make them smaller"
            ) from error
        try:
            deadline.reschedule(None if end is None else end + loop.time() - began)
            yield
        finally:
            self._large.release()

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None),
                auto_decompress=False,
            )
        return self._session

    def _explain(self, error: Exception) -> StoreError:
        """Return the error that says what to do about a failed connection."""
        for cause in _causes(error):
            if verdict := getattr(cause, "verify_message", ""):
                return self._refused_certificate(str(verdict))
            if meaning := explain_tls(str(getattr(cause, "reason", None) or "")):
                text = f"The data store at {self._url} {printable(meaning)}"
                return StoreRefused(text, is_outage=True)
        if isinstance(error, aiohttp.ClientResponseError | aiohttp.ClientPayloadError):
            text = printable(str(error), MAX_CAUSE)
            return StoreAnswerInvalid(
                f"What answers at {self._url} does not speak HTTP as expected ({text}); correct "
                "REMOTE_BACKEND_URL, its scheme too",
                is_outage=True,
            )
        cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
        text = printable(str(cause) or type(cause).__name__, MAX_CAUSE)
        advice = "start it, or correct REMOTE_BACKEND_URL"
        if self._context() and cause is error:
            # Many servers end a connection so when they do not accept the client's certificate.
            advice += f"; if it runs, {TRUST_FLEET}"
        elif self._context() and isinstance(cause, ConnectionResetError):
            advice += "; if it runs, let it speak TLS 1.3"
        return StoreUnreachable(
            f"The data store at {self._url} cannot be reached ({text}); {advice}",
            is_outage=True,
            retriable=True,
        )

    def _refused_certificate(self, verdict: str) -> StoreRefused:
        return StoreRefused(
            f"The certificate of the data store at {self._url} is not accepted "
            f"({printable(verdict, MAX_CAUSE)}); issue one with `flotta certificates issue "
            "--server NAMES`, or name the CA that issued it with REMOTE_BACKEND_CA_FILE",
            is_outage=True,
        )


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what led to it; aiohttp keeps the error of the socket in an attribute."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        inner = getattr(one, "os_error", None)
        inner = inner if isinstance(inner, BaseException) else None
        certificate = getattr(one, "certificate_error", None)
        certificate = certificate if isinstance(certificate, BaseException) else None
        waiting += [one.__cause__, one.__context__, inner, certificate]


def _too_large(limit: int) -> StoreAnswerInvalid:
    return StoreAnswerInvalid(
        f"An answer of the data store is larger than {limit // 1024} KiB; make it smaller"
    )
