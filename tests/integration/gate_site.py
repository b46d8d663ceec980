"""A server behind the gate in this process, and clients of it that behave as badly as one likes."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from flotta.identity.authority import Authority, CertificateAndKey
from flotta.identity.ssl_contexts import client_context, server_context
from flotta.serving.http_server import HttpServer, anonymous
from flotta.serving.limits import Deadlines, Limits, Owner

NEVER = 3600.0  # seconds: what happens in a test happens for another reason
PATIENT = Deadlines(NEVER, NEVER, NEVER, NEVER, NEVER, NEVER)
GET = b"GET / HTTP/1.1\r\nHost: gate\r\n\r\n"


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def ask(self, request: bytes = GET) -> Answer:
        self.writer.write(request)
        return await self.answer()

    async def answer(self) -> Answer:
        head = await self.reader.readuntil(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines if line)
        body = await self.reader.readexactly(int(headers.get("content-length", 0)))
        return Answer(int(first.split()[1]), headers, body)

    async def end(self) -> bytes:
        """Return what comes until the server closes the connection."""
        try:
            return await self.reader.read()
        except ConnectionError:
            return b""

    @property
    def is_closed(self) -> bool:
        return self.reader.at_eof() or self.reader.exception() is not None

    def close(self) -> None:
        self.writer.transport.abort()


@dataclass
class GateSite:
    server: HttpServer
    port: int
    authority: Authority
    folder: Path
    caps: Counter[str]
    held: asyncio.Event = field(default_factory=asyncio.Event)
    clients: list[Client] = field(default_factory=list)
    silent: list[socket.socket] = field(default_factory=list)

    def identity(self, name: str) -> ssl.SSLContext:
        """Return a context with a new certificate."""
        return self._context(self.authority.issue_client(name, []))

    def no_identity(self) -> ssl.SSLContext:
        return client_context(self.authority.certificate_pem)

    def _context(self, issued: CertificateAndKey) -> ssl.SSLContext:
        certificate, key = self.folder / "client.crt", self.folder / "client.key"
        certificate.write_bytes(issued.certificate)
        key.write_bytes(issued.key)
        return client_context(self.authority.certificate_pem, certificate, key)

    async def connect(
        self, context: ssl.SSLContext | None, source: str = "127.0.0.1", header: bytes = b""
    ) -> Client:
        """Return a connection after its handshake; `header` is sent before that."""
        raw = await self.connect_silently(source)
        if header:
            raw.sendall(header)
        reader, writer = await asyncio.open_connection(
            sock=raw, ssl=context, server_hostname="localhost" if context else None
        )
        self.clients.append(Client(reader, writer))
        return self.clients[-1]

    async def connect_silently(self, source: str = "127.0.0.1") -> socket.socket:
        """Return a connection that says nothing."""
        raw = socket.socket()
        raw.setblocking(False)
        raw.bind((source, 0))
        await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", self.port))
        self.silent.append(raw)
        return raw

    async def ask(self, context: ssl.SSLContext, source: str = "127.0.0.1") -> Answer:
        """Ask once on a new connection."""
        client = await self.connect(context, source)
        answer = await client.ask()
        client.close()
        return answer

    def close(self) -> None:
        for client in self.clients:
            client.close()
        for raw in self.silent:
            raw.close()


@asynccontextmanager
async def gate_site(
    folder: Path,
    limits: Limits,
    *,
    deadlines: Deadlines = PATIENT,
    per_certificate: int = 4,
    per_anonymous: int = 4,
    proxy_protocol: bool = False,
    tls: bool = True,
) -> AsyncIterator[GateSite]:
    """Serve `/` (the address of the client), POST `/` (its body), `/much` and `/held`."""
    authority = Authority.create("gate")
    issued = authority.issue_server(["localhost"])
    for name, content in (("server.crt", issued.certificate), ("server.key", issued.key)):
        (folder / name).write_bytes(content)
    context = server_context(
        folder / "server.crt", folder / "server.key", authority.certificate_pem
    )
    context.verify_mode = ssl.CERT_OPTIONAL
    caps: Counter[str] = Counter()

    def identify(der: bytes | None) -> Owner:
        if der is None:
            return anonymous(most=per_anonymous)
        return Owner(der.hex(), "somebody", per_certificate)

    def count(cap: str) -> None:
        caps[cap] += 1

    app = web.Application(client_max_size=64 * 1024)
    server = HttpServer(
        app,
        "gate",
        limits,
        deadlines=deadlines,
        identify=identify,
        count=count,
        shutdown_timeout=0.1,
        proxy_protocol=proxy_protocol,
    )
    site = GateSite(server, 0, authority, folder, caps)
    app.add_routes(_routes(site))
    site.port = await server.start("127.0.0.1", 0, context if tls else None)
    yield site
    site.held.set()
    site.close()
    await server.stop()


def _routes(site: GateSite) -> list[web.RouteDef]:
    async def show(request: web.Request) -> web.Response:
        return web.Response(text=request.remote)

    async def echo(request: web.Request) -> web.Response:
        return web.Response(body=await request.read())

    async def hold(_: web.Request) -> web.Response:
        await site.held.wait()
        return web.Response(text="held")

    async def send_much(_: web.Request) -> web.Response:
        return web.Response(body=bytes(64 * 1024 * 1024))

    return [
        web.get("/much", send_much),
        web.get("/", show),
        web.post("/", echo),
        web.get("/held", hold),
    ]


async def keep_up(work: Callable[[], Awaitable[object]]) -> None:
    """Do something again and again until cancelled."""
    while True:
        await work()
