"""A data store of v0.2 in memory: the six operations, no addition, nothing checked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

DEVICE = "/api/flotta-backend/v1/namespaces/{namespace}/devices/{device}"


@dataclass
class OldStore:
    """Devices by namespace and id: whether they registered, and their configuration."""

    url: str = ""
    approved: set[tuple[str, str]] = field(default_factory=set)
    registered: set[tuple[str, str]] = field(default_factory=set)
    leaving: set[tuple[str, str]] = field(default_factory=set)
    configurations: dict[tuple[str, str], bytes] = field(default_factory=dict)

    async def approve(self, namespace: str, device_id: str) -> None:
        self.approved.add((namespace, device_id))

    async def configure(self, namespace: str, device_id: str, content: bytes) -> None:
        self.configurations[namespace, device_id] = content

    async def unregister(self, namespace: str, device_id: str) -> None:
        self.leaving.add((namespace, device_id))

    async def forget(self, namespace: str, device_id: str) -> None:
        for names in (self.approved, self.registered, self.leaving):
            names.discard((namespace, device_id))

    async def get_configuration(self, request: web.Request) -> web.Response:
        content = self.configurations.get(name_of(request))
        if not self.has_joined(name_of(request)) or content is None:
            return web.json_response({"message": "not found"}, status=404)
        # Any text will do that changes with the content.
        text = f'{{"version":"{abs(hash(content))}",' + content.decode()[1:]
        return web.Response(
            text=f'{{"device-configuration":{text}}}', content_type="application/json"
        )

    async def enrol(self, request: web.Request) -> web.Response:
        await request.json()
        return web.Response(status=200 if name_of(request) in self.approved else 201)

    async def get_registration(self, request: web.Request) -> web.Response:
        name = name_of(request)
        status = "registered" if name in self.registered else "unknown"
        status = "unregistered" if name in self.leaving else status
        return web.json_response({"status": status, "namespace": name[0]})

    async def register(self, request: web.Request) -> web.Response:
        self.registered.add(name_of(request))
        self.leaving.discard(name_of(request))
        return web.Response()

    async def heartbeat(self, request: web.Request) -> web.Response:
        await request.json()
        return web.Response(status=200 if name_of(request) in self.registered else 404)

    def has_joined(self, name: tuple[str, str]) -> bool:
        return name in self.registered and name not in self.leaving

    async def playbooks(self, _: web.Request) -> web.Response:
        return web.json_response([])


def name_of(request: web.Request) -> tuple[str, str]:
    return request.match_info["namespace"], request.match_info["device"]


@asynccontextmanager
async def old_store() -> AsyncIterator[OldStore]:
    """Serve a store of v0.2 over plain http."""
    store = OldStore()
    app = web.Application(middlewares=[errors], client_max_size=2**20)
    app.router.add_get(f"{DEVICE}/configuration", store.get_configuration)
    app.router.add_post(f"{DEVICE}/enrolment", store.enrol)
    app.router.add_get(f"{DEVICE}/registration", store.get_registration)
    app.router.add_put(f"{DEVICE}/registration", store.register)
    app.router.add_put(f"{DEVICE}/heartbeat", store.heartbeat)
    app.router.add_get(f"{DEVICE}/playbookexecutions", store.playbooks)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    store.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield store
    finally:
        await runner.cleanup()


@web.middleware
async def errors(request: web.Request, handler: Any) -> web.StreamResponse:
    """Respond without a body where aiohttp would with text."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        return web.Response(status=error.status)
    except ValueError:
        return web.Response(status=400)
