"""HTTP to one API server: the only module that uses the Kubernetes library.

Its errors are those of `errors`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Mapping
from typing import Self
from urllib.parse import urlencode

import aiohttp
import yaml
from kubernetes.aio import client as kubernetes_client
from kubernetes.aio import config as kubernetes_config

from flotta.backoff import Backoff
from flotta.resources.errors import Unreachable, raise_error
from flotta.resources.kubeconfig import describe_missing_context

Query = Mapping[str, str | int | None]
JSON = "application/json"
USER_AGENT = "flotta"  # the field manager of our writes, in managedFields
REQUEST_TIMEOUT = 30.0  # seconds
MAX_SILENCE = 150.0  # seconds; both engines send a bookmark every minute
BUSY = 429  # Too Many Requests (RFC 6585): API Priority and Fairness asks to retry later
MAX_ATTEMPTS = 5  # requests in all while the server is busy
BUSY_RETRY = 0.5, 10.0  # first and longest seconds until a request to a busy server is retried

# The loader does not check the structure of the file first.
UNUSABLE = (
    *(kubernetes_config.ConfigException, yaml.YAMLError, OSError),
    *(TypeError, KeyError, AttributeError, ValueError),
)


class Transport:
    """A connection pool.

    Every method raises ApiError: Unreachable, or the error of the server's Status.
    """

    def __init__(self, api: kubernetes_client.ApiClient) -> None:
        self._api = api
        self._host: str = api.configuration.host.rstrip("/")

    @classmethod
    async def connect(cls, kubeconfig: str | None, context: str | None) -> Self:
        """Return a transport, as described at `Client.connect`."""
        configuration = kubernetes_client.Configuration()
        path = kubeconfig or os.environ.get("KUBECONFIG")
        try:
            if path:
                await kubernetes_config.load_kube_config(  # type: ignore[no-untyped-call]
                    path, context=context, client_configuration=configuration
                )
            else:
                kubernetes_config.load_incluster_config(  # type: ignore[no-untyped-call]
                    client_configuration=configuration
                )
            return cls(kubernetes_client.ApiClient(configuration))
        except UNUSABLE as error:
            reason = " ".join(str(error).split())
            missing = describe_missing_context(path, context) if path else ""
            raise ValueError(
                missing or f"no usable kubeconfig ({reason}); set KUBECONFIG to the path of one"
            ) from error

    async def close(self) -> None:
        """Close the connections."""
        await self._api.close()  # type: ignore[no-untyped-call]

    async def read_body(
        self,
        method: str,
        path: str,
        query: Query | None = None,
        body: object = None,
        content_type: str = JSON,
    ) -> bytes:
        """Return the whole body. Query parameters that are None are left out."""
        sent = self._send(method, path, query, body, content_type)
        async with _successful(sent, f"{self._host} closed the connection early") as response:
            return await response.read()

    async def stream_lines(self, path: str, query: Query, seconds: float) -> AsyncGenerator[bytes]:
        """Yield the lines of a response that the server ends after so many seconds."""
        sent = self._send("GET", path, query, timeout=seconds + REQUEST_TIMEOUT)
        async with _successful(sent, "the watch broke") as response:
            async for line in _split_lines(response.content):
                yield line

    async def _send(
        self,
        method: str,
        path: str,
        query: Query | None = None,
        body: object = None,
        content_type: str = JSON,
        timeout: float = REQUEST_TIMEOUT,  # noqa: ASYNC109 - handed to the HTTP client
    ) -> aiohttp.ClientResponse:
        given = {key: value for key, value in (query or {}).items() if value is not None}
        url = self._host + path + ("?" + urlencode(given) if given else "")
        headers = {"Accept": JSON, "Content-Type": content_type, "User-Agent": USER_AGENT}
        await self._api.update_params_for_auth(headers, [], ["BearerToken"], path, method, body)
        limits = aiohttp.ClientTimeout(total=timeout, sock_read=min(timeout, MAX_SILENCE))
        backoff = Backoff(*BUSY_RETRY)
        for _ in range(MAX_ATTEMPTS - 1):
            response = await self._request(method, url, headers, body, limits)
            if response.status != BUSY:
                return response
            response.release()
            await asyncio.sleep(_retry_after(response, backoff))
        return await self._request(method, url, headers, body, limits)

    async def _request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: object,
        limits: aiohttp.ClientTimeout,
    ) -> aiohttp.ClientResponse:
        try:
            result = await self._api.rest_client.request(  # type: ignore[no-untyped-call]
                method, url, headers, body, _request_timeout=limits
            )
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unreachable(
                0, "Unreachable", f"no response from {self._host}: {error or type(error).__name__}"
            ) from error
        response: aiohttp.ClientResponse = result.response
        return response


@contextlib.asynccontextmanager
async def _successful(
    sent: Awaitable[aiohttp.ClientResponse], failure: str
) -> AsyncIterator[aiohttp.ClientResponse]:
    """Yield the response unless it is an error.

    `failure` is the text of the error for a connection that breaks meanwhile.
    """
    response = await sent
    try:
        await _raise_for_status(response)
        yield response
    except (aiohttp.ClientError, TimeoutError) as error:
        raise Unreachable(0, "Unreachable", f"{failure}: {error}") from error
    finally:
        response.close()


def _retry_after(response: aiohttp.ClientResponse, backoff: Backoff) -> float:
    """Return the seconds until the next attempt: those of Retry-After, else of the back-off."""
    text = response.headers.get("Retry-After", "")
    _, longest = BUSY_RETRY
    return min(float(text), longest) if text.isdecimal() else backoff.next()


async def _split_lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Split a stream at newlines without a limit on a line's length (objects may be megabytes)."""
    rest = b""
    async for chunk in content.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line:
                yield line


async def _raise_for_status(response: aiohttp.ClientResponse) -> None:
    if response.status < 400:
        return
    data = await response.read()
    try:
        status = json.loads(data)
    except ValueError:
        status = {"message": data.decode(errors="replace")[:256]}
    raise_error(response.status, status)
