"""What a stranger without an access key can do to the embedded S3 server."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from gate_site import Client
from s3_server import S3Server, running_s3

from waiting import eventually

SIGNED = (
    "GET /devices/ HTTP/1.1\r\nHost: s3\r\nx-amz-date: 20260110T090000Z\r\n"
    "x-amz-content-sha256: UNSIGNED-PAYLOAD\r\n"
    "Authorization: AWS4-HMAC-SHA256 Credential={key}/20260110/us-east-1/s3/aws4_request, "
    "SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=00\r\n{more}\r\n"
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with running_s3(tmp_path_factory.mktemp("s3")) as started:
        yield started


async def connect(server: S3Server, *, tls: bool = True) -> Client:
    context = ssl.create_default_context(cafile=str(server.ca_file)) if tls else None
    port = int(server.endpoint.rpartition(":")[2])
    return Client(*await asyncio.open_connection("127.0.0.1", port, ssl=context))


async def test_connections_that_say_nothing_or_half_are_closed(server: S3Server) -> None:
    silent, idle, half = (
        await connect(server, tls=False),
        await connect(server),
        await connect(server),
    )
    half.writer.write(b"GET / HTTP/1.1\r\nHost: s")

    ends = await asyncio.gather(silent.end(), idle.end(), half.end())

    assert ends[:2] == [b"", b""]


async def test_long_headers_are_refused(server: S3Server) -> None:
    client = await connect(server)

    answer = await client.ask(SIGNED.format(key="A", more=f"X: {'x' * 50_000}\r\n").encode())

    assert answer.status == 431


async def test_unknown_keys_start_no_python(server: S3Server) -> None:
    async def ask(number: int) -> int:
        client = await connect(server)
        head = await client.ask(SIGNED.format(key=f"AAAAAAAAAAAAAAAA{number}", more="").encode())
        client.close()
        return head.status

    watching = asyncio.create_task(asyncio.to_thread(_pythons_until, server, stop := [False]))
    statuses = await asyncio.gather(*(ask(number) for number in range(100, 140)))
    stop[0] = True

    assert set(statuses) == {403}
    assert await watching == set()
    key = server.administrator
    await eventually(lambda: asyncio.to_thread(server.client(key).list_buckets))


def _pythons_until(server: S3Server, stop: list[bool]) -> set[str]:
    """Return the processes of auth proxies of this server in Python that were seen."""
    seen: set[str] = set()
    keys = f"FLOTTA_S3_KEYS={server.keys}".encode()
    while not stop[0]:
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = path.read_bytes().split(b"\0")
                environment = path.with_name("environ").read_bytes().split(b"\0")
            except OSError:
                continue
            if b"auth-proxy" in words and b"flotta.cli.s3" in words and keys in environment:
                seen.add(path.parent.name)
    return seen
