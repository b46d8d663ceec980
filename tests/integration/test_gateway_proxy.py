"""The way through an HTTP proxy."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from device_site import DeviceFiles, running, worker_of
from small_edge_api import SmallEdgeApi, serving

from flotta.gateway.proxy import find_proxy
from flotta.identity.authority import Authority


@asynccontextmanager
async def tunnelling(heads: list[bytes], status: bytes) -> AsyncIterator[int]:
    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        heads.append(head)
        host, _, port = head.split()[1].decode().rpartition(":")
        writer.write(b"HTTP/1.1 " + status + b"\r\n\r\n")
        if status.startswith(b"2"):
            inner_reader, inner_writer = await asyncio.open_connection(host, int(port))
            await asyncio.gather(pump(reader, inner_writer), pump(inner_reader, writer))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@pytest.mark.parametrize(("status", "reached"), [(b"200 OK", True), (b"407 Who are you", False)])
async def test_messages_take_the_way_through_the_proxy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: bytes, *, reached: bool
) -> None:
    heads: list[bytes] = []
    api = SmallEdgeApi(Authority.create("Flotta CA"))
    async with serving(api, tmp_path), tunnelling(heads, status) as port:
        monkeypatch.setenv("HTTPS_PROXY", f"http://till:s%20cret@127.0.0.1:{port}")
        registration = api.authority.issue_registration()
        settings = DeviceFiles(tmp_path).configure(
            api.server, api.authority.certificate_pem, registration
        )
        async with running(settings), worker_of(settings) as worker:
            answer = await worker.send("enrolment", {"features": {}})
    assert bool(answer) is reached
    assert heads[0].startswith(f"CONNECT localhost:{api.port} HTTP/1.1".encode())
    assert b"Proxy-Authorization: Basic dGlsbDpzIGNyZXQ=" in heads[0]


@pytest.mark.parametrize(
    ("host", "exceptions", "used"),
    [
        ("edge.example", "", True),
        ("edge.example", "other.example, .example", False),
        ("edge.example", "edge.example", False),
        ("wedge.example", "edge.example", True),
        ("edge.example", "*", False),
    ],
)
def test_exceptions(host: str, exceptions: str, *, used: bool) -> None:
    environment = {"https_proxy": "proxy.example:3128", "NO_PROXY": exceptions}
    assert (find_proxy(host, environment) is not None) is used
