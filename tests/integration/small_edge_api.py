"""A small server with the Edge API's wire interface, for behaviour the real one does not show.

It speaks real TLS with the real contexts; a test changes the answers through its attributes.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from aiohttp import web
from cryptography import x509

from flotta.identity.authority import Authority
from flotta.identity.lifetime import load_certificate
from flotta.identity.peers import read_peer
from flotta.identity.requests import load_request
from flotta.identity.ssl_contexts import server_context
from flotta.protocol.envelope import encode, new_command_message, new_data_message
from servers.ports import free_port

BASE = "/api/flotta-management/v1"
UID = "0b6f0f5c-2f10-4a55-8d3e-5f0c2c3e9e0f"


class SmallEdgeApi:
    """Records requests; responds as its attributes say."""

    def __init__(self, authority: Authority) -> None:
        self.authority = authority
        self.port = free_port()  # stays its own while it does not listen
        self.requests: list[tuple[str, str]] = []  # (peer's serial or kind, what)
        self.posted: list[tuple[str, dict[str, Any]]] = []
        self.known: list[str] = []  # versions that the device said it has
        self.content: dict[str, Any] = {"device_id": "till-7", "version": "1", "configuration": {}}
        self.directive = "device"  # of what data/in returns
        self.command: str | None = None
        self.holds = True  # knows ETag and Prefer; servers of v0.2 do not
        self.rewrites = False  # any write changes version and order, as on servers of v0.2
        self.days = 30
        self.refuse_before = 0  # certificates issued before this number of renewals get 401
        self.issued: list[int] = []  # serial numbers
        self.stuck: set[str] = set()  # directives that are never answered
        self.answers: dict[str, web.Response] = {}  # by directive
        self.lose_registrations = 0  # registrations that are done, but not answered
        self.quarantine = ""  # Stop or Keep: what every request is refused with
        self.held = 0  # requests that wait for a change now
        self.changed = asyncio.Event()

    @property
    def server(self) -> str:
        return f"localhost:{self.port}"

    def change(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()

    def rewrite(self) -> None:
        """Change the version, and the order of each workload's ConfigMaps, but not the content."""
        workloads = [
            {**workload, "configmaps": workload["configmaps"][::-1]}
            for workload in self.content.get("workloads", [])
        ]
        version = str(int(self.content["version"]) + 1)
        self.content = {**self.content, "version": version, "workloads": workloads}

    def events(self, kind: str) -> list[Any]:
        return [message["content"] for _, message in self.posted if message["type"] == kind]

    def sent(self, directive: str) -> list[dict[str, Any]]:
        return [message for _, message in self.posted if message.get("directive") == directive]

    async def control_in(self, request: web.Request) -> web.Response:
        self._accepted(request, "control")
        if self.command is None and self.holds:
            await self._hold(request)
        self._require_released()
        if self.command is None:
            return web.Response()
        return web.Response(body=encode(new_command_message(self.command)))

    async def data_in(self, request: web.Request) -> web.Response:
        self._accepted(request, "data")
        known = request.headers.get("If-None-Match")
        self.known.append((known or "").strip('"'))
        if self.holds and known == self._etag:
            await self._hold(request)
        if self.holds and known == self._etag:
            return web.Response(status=304)
        headers = {"ETag": self._etag} if self.holds else {}
        return web.Response(
            body=encode(new_data_message(self.directive, self.content)), headers=headers
        )

    async def control_out(self, request: web.Request) -> web.Response:
        self._accepted(request, "event")
        self.posted.append(("control", await request.json()))
        return web.Response()

    async def data_out(self, request: web.Request) -> web.Response:
        message = await request.json()
        directive = message["directive"]
        self.posted.append(("data", message))
        if directive in self.stuck:
            await asyncio.Event().wait()
        if directive == "enrolment":
            return web.Response(status=208)
        if directive == "registration":
            return self._register(request, message)
        self._accepted(request, directive)
        if directive in self.answers:
            return self.answers[directive]
        if self.rewrites:
            self.rewrite()
        return web.Response()

    def _register(self, request: web.Request, message: dict[str, Any]) -> web.Response:
        csr = load_request(message["content"]["certificate_request"])
        device_id = request.match_info["id"]
        pem = self.authority.sign_device(csr, device_id, "default", UID, self.days)
        self.issued.append(load_certificate(pem).serial_number)
        if self.lose_registrations:
            self.lose_registrations -= 1
            assert request.transport is not None
            request.transport.abort()
        content = {"certificate": pem.decode()}
        return web.json_response({"directive": "registration", "content": content})

    @property
    def _etag(self) -> str:
        return f'"{self.content["version"]}"'

    async def _hold(self, request: web.Request) -> None:
        wish = int(request.headers.get("Prefer", "wait=0").removeprefix("wait="))
        self.held += 1
        try:
            with suppress(TimeoutError):
                await asyncio.wait_for(self.changed.wait(), wish)
        finally:
            self.held -= 1

    def _require_released(self) -> None:
        if self.quarantine:
            body = {"code": 403, "reason": "DeviceQuarantined", "pods": self.quarantine}
            raise web.HTTPForbidden(text=json.dumps(body), content_type="application/json")

    def _accepted(self, request: web.Request, what: str) -> None:
        assert request.transport is not None
        der = request.transport.get_extra_info("ssl_object").getpeercert(True)
        peer = read_peer(der)
        serial = x509.load_der_x509_certificate(der).serial_number
        self.requests.append((peer.kind, what))
        self._require_released()
        count = self.issued.index(serial) + 1 if serial in self.issued else 0
        if peer.kind != "device" or count < self.refuse_before:
            raise web.HTTPUnauthorized(text="")  # as v0.2, whose gateway drops what is not JSON


@asynccontextmanager
async def serving(
    api: SmallEdgeApi, folder: Path, *, names: tuple[str, ...] = ("localhost",), days: int = 365
) -> AsyncIterator[SmallEdgeApi]:
    """Serve on the API's port with a certificate of its authority."""
    server_certificate = api.authority.issue_server(list(names), days=days)
    (folder / "server.crt").write_bytes(server_certificate.certificate)
    (folder / "server.key").write_bytes(server_certificate.key)
    (folder / "clients.crt").write_bytes(api.authority.certificate_pem)
    app = web.Application()
    app.add_routes(
        [
            web.get(f"{BASE}/control/{{id}}/in", api.control_in),
            web.get(f"{BASE}/data/{{id}}/in", api.data_in),
            web.post(f"{BASE}/control/{{id}}/out", api.control_out),
            web.post(f"{BASE}/data/{{id}}/out", api.data_out),
        ]
    )
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2, handler_cancellation=True)
    await runner.setup()
    context = server_context(folder / "server.crt", folder / "server.key", folder / "clients.crt")
    site = web.TCPSite(runner, "127.0.0.1", api.port, ssl_context=context)
    await site.start()
    try:
        yield api
    finally:
        api.change()
        await runner.cleanup()
