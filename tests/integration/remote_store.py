"""A data store in this process, for an Edge API with the backend `remote`.

It is as simple as v0.2 describes one, with the additions where a test wants them, and answers
whatever a test makes it answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from flotta.protocol.configuration_api import BASE_PATH

Object = dict[str, Any]
Trouble = Callable[[web.Request], Awaitable[web.StreamResponse | None]]


@dataclass
class Seen:
    """A request that the store got."""

    operation: str  # such as `GET registration`
    device: str  # namespace/id
    headers: dict[str, str]
    content: Any


@dataclass
class StoredDevice:
    status: str = "unknown"
    is_approved: bool = False
    key: str = ""
    uid: str = ""
    namespace: str = ""  # in the answer; "" is that of the path
    configuration: Object | None = None
    heartbeats: list[Object] = field(default_factory=list)
    has_left: bool = False


class Store:
    """A store on loopback; `has_additions` makes it one of today."""

    def __init__(self, port: int, *, has_additions: bool = False) -> None:
        self.port = port
        self.has_additions = has_additions
        self.devices: dict[str, StoredDevice] = {}
        self.seen: list[Seen] = []
        self.trouble: Trouble | None = None
        self.version = 1
        self.tells_of_loss = True  # by `complete`
        self._changes: list[str] = []
        self._changed = asyncio.Event()
        self._runner: web.AppRunner | None = None

    async def start(self, context: ssl.SSLContext | None) -> None:
        app = web.Application(client_max_size=2**21)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=context)
        await site.start()

    async def stop(self) -> None:
        """End as a process does that is killed: connections break."""
        self._changed.set()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def device(self, device_id: str, namespace: str = "default") -> StoredDevice:
        return self.devices.setdefault(f"{namespace}/{device_id}", StoredDevice())

    def configure(self, device_id: str, **configuration: Any) -> None:
        """Put a configuration, and tell of the change."""
        settings = {"heartbeat": {"hardware_profile": {}, "period_seconds": 60}}
        self.device(device_id).configuration = {
            "device_id": device_id,
            "configuration": settings,
            **configuration,
        }
        self.note_change(device_id)

    def note_change(self, device_id: str) -> None:
        self.version += 1
        self._changes.append(f"default/{device_id}")
        self._changed.set()
        self._changed = asyncio.Event()

    def of(self, operation: str) -> list[Seen]:
        return [seen for seen in self.seen if seen.operation == operation]

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        below = request.path.removeprefix(BASE_PATH)
        device, _, last = below.rpartition("/")
        body = await request.read()
        content = json.loads(body) if body else None
        parts = device.split("/")
        name = f"{parts[2]}/{parts[4]}" if len(parts) == 5 else ""
        operation = f"{request.method} {last}"
        self.seen.append(Seen(operation, name, dict(request.headers), content))
        if self.trouble is not None and (response := await self.trouble(request)) is not None:
            return response
        if last == "changes":
            return await self._tell_changes(request)
        return self._answer(operation, name, request, content)

    def _answer(
        self, operation: str, name: str, request: web.Request, content: Any
    ) -> web.StreamResponse:
        device = self.devices.get(name) or StoredDevice()
        match operation:
            case "POST enrolment":
                self.devices[name] = device
                is_known = device.is_approved or device.status == "registered"
                return web.Response(status=200 if is_known else 201)
            case "GET registration":
                return web.json_response(self._status(name, device))
            case "PUT registration":
                self.devices[name] = device
                device.status, device.is_approved = "registered", False
                device.key = request.headers.get("Flotta-Public-Key-Fingerprint", "")
                return web.Response()
            case "GET configuration":
                return self._configuration(request, device)
            case "PUT heartbeat" if name in self.devices:
                device.heartbeats.append(content)
                wanted = {"Flotta-Wanted": "hardware"} if self.has_additions else {}
                return web.Response(headers={} if content.get("hardware") else wanted)
            case "PUT disconnect" if self.has_additions:
                device.has_left = True
                return web.Response()
        return web.Response(status=404)

    def _status(self, name: str, device: StoredDevice) -> Object:
        namespace = device.namespace or name.partition("/")[0]
        status: Object = {"status": device.status, "namespace": namespace}
        if self.has_additions:
            status |= {"uid": device.uid, "public_key_fingerprint": device.key}
            status |= {"approved": device.is_approved}
        return status

    def _configuration(self, request: web.Request, device: StoredDevice) -> web.Response:
        if device.configuration is None:
            return web.json_response({"message": "none"}, status=404)
        body = json.dumps({"device-configuration": device.configuration, "message": ""})
        if not self.has_additions:
            return web.Response(text=body, content_type="application/json")
        etag = f'"{hashlib.sha256(body.encode()).hexdigest()}"'
        if request.headers.get("If-None-Match") == etag:
            return web.Response(status=304, headers={"ETag": etag})
        return web.Response(text=body, content_type="application/json", headers={"ETag": etag})

    async def _tell_changes(self, request: web.Request) -> web.Response:
        if not self.has_additions:
            return web.Response(status=404)
        after = int(request.query["after"])
        seconds = float(request.headers["Prefer"].removeprefix("wait="))
        if after == self.version:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._changed.wait()
        is_known = 0 < after <= self.version or not self.tells_of_loss
        names = self._changes[after - 1 :] if is_known else []
        return web.json_response({"version": self.version, "devices": names, "complete": is_known})


async def hang(_: web.Request) -> None:
    """Never answer."""
    await asyncio.Event().wait()


async def endless(request: web.Request) -> web.StreamResponse:
    """Answer in pieces, and without end."""
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    with contextlib.suppress(ConnectionError):
        while True:
            await response.write(b" " * 65536)
    return response


def answering(
    status: int = 200, body: str | bytes = b"", only: str = "", **headers: str
) -> Trouble:
    """Return what makes the store answer so, to an operation that ends so."""
    named = {key.replace("_", "-"): value for key, value in headers.items()}

    async def answer(request: web.Request) -> web.Response | None:
        if not request.path.endswith(only):
            return None
        content = body.encode() if isinstance(body, str) else body
        return web.Response(
            status=status, body=content, headers={"Content-Type": "application/json", **named}
        )

    return answer


@contextlib.asynccontextmanager
async def running(store: Store, context: ssl.SSLContext | None) -> AsyncIterator[Store]:
    await store.start(context)
    try:
        yield store
    finally:
        await store.stop()
