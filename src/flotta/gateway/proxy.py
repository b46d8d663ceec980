"""Connections through the HTTP proxy that the environment names (RFC 9110, 9.3.6)."""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import Mapping
from urllib.parse import SplitResult, unquote, urlsplit

DEFAULT_PORT = 3128  # TCP, the usual port of proxies


def find_proxy(host: str, environment: Mapping[str, str] = os.environ) -> SplitResult | None:
    """Return the proxy for a host from HTTPS_PROXY and NO_PROXY (either case), or None.

    Raises ValueError when HTTPS_PROXY is not `http://[user:password@]host:port`.
    """
    text = environment.get("HTTPS_PROXY") or environment.get("https_proxy")
    if not text or _is_excepted(host, environment.get("NO_PROXY") or environment.get("no_proxy")):
        return None
    proxy = urlsplit(text if "://" in text else f"http://{text}")
    if proxy.scheme != "http" or not proxy.hostname:
        raise ValueError("HTTPS_PROXY must be http://[user:password@]host:port")
    return proxy


def _is_excepted(host: str, exceptions: str | None) -> bool:
    names = [name.strip().lstrip(".").lower() for name in (exceptions or "").split(",")]
    return any(
        name == "*" or host.lower() == name or host.lower().endswith(f".{name}")
        for name in names
        if name
    )


async def open_tunnel(
    proxy: SplitResult, target: str
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Return a connection that the proxy relays to `target` (host:port)."""
    reader, writer = await asyncio.open_connection(proxy.hostname, proxy.port or DEFAULT_PORT)
    try:
        writer.write(_connect_request(proxy, target))
        await writer.drain()
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        writer.transport.abort()
        raise ConnectionError(
            f"the proxy {proxy.hostname} did not answer with HTTP; check HTTPS_PROXY"
        ) from error
    except BaseException:  # cancelled as well: no half-open connection may stay behind
        writer.transport.abort()
        raise
    status = head.split(b"\r\n", 1)[0].decode("latin-1").partition(" ")[2]
    if not status.startswith("2"):
        writer.transport.abort()
        raise ConnectionError(f"the proxy {proxy.hostname} answered {status!r}")
    return reader, writer


def _connect_request(proxy: SplitResult, target: str) -> bytes:
    lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
    if proxy.username is not None:
        credentials = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
        lines.append(
            f"Proxy-Authorization: Basic {base64.b64encode(credentials.encode()).decode()}"
        )
    return "\r\n".join([*lines, "", ""]).encode()
