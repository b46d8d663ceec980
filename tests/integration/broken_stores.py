"""Data stores that break one rule of the Edge Configuration API each, and otherwise keep them.

Each is the reference server behind a middleware: it gets the request and a function that lets the
reference server respond, and has its own `State` for what it remembers. They are in
`breakages_of_joining.py`, `breakages_of_serving.py` and `breakages_of_leaving.py`.
"""

from __future__ import annotations

import json
import ssl
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

from flotta.configuration_api import joining, leaving
from flotta.configuration_api.application import make_application
from flotta.configuration_api.configuration_file import parse_configuration
from flotta.configuration_api.configurations import put_configuration
from flotta.configuration_api.conformance.trial import Limits
from flotta.configuration_api.handlers import Handlers, JoiningRules
from flotta.configuration_api.names import Name
from flotta.configuration_api.store import Store

Respond = Callable[..., Awaitable[web.StreamResponse]]  # to another request, if one is given
Middleware = Callable[[web.Request, Respond, "State"], Awaitable[web.StreamResponse]]
Change = Callable[[web.Request, web.Response, "State"], Awaitable[web.StreamResponse]]
PATIENT = Limits(response=60, hold=1)  # the machine may stand still for seconds
IMPATIENT = Limits(hold=1)
SLOW = 5.5  # seconds; more than an Edge API waits


@dataclass(frozen=True)
class Breakage:
    """How a store breaks a rule; `name` is that of the function, `limits` are those of the kit."""

    rule: str
    name: str
    middleware: Middleware
    limits: Limits = PATIENT


BREAKAGES: list[Breakage] = []


class State:
    """What a broken store remembers between requests."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.counts: Counter[str] = Counter()
        self.seen: dict[str, set[str]] = defaultdict(set)
        self.kept: dict[str, str] = {}


class StoreHook:
    """The kit's hook within the process of the test."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._store = state.store

    async def approve(self, namespace: str, device_id: str) -> None:
        name = Name(namespace, device_id)
        await self._store.write(lambda found: joining.approve(found, name))

    async def configure(self, namespace: str, device_id: str, content: bytes) -> None:
        message = parse_configuration(content, device_id, is_json=True)
        name = Name(namespace, device_id)
        self._state.counts[f"puts of {device_id}"] += 1
        await self._store.write(lambda found: put_configuration(found, name, message))

    async def unregister(self, namespace: str, device_id: str) -> None:
        name = Name(namespace, device_id)
        await self._store.write(lambda found: leaving.unregister(found, name))

    async def forget(self, namespace: str, device_id: str) -> None:
        return


@asynccontextmanager
async def broken_store(
    directory: Path, middleware: Middleware | None, tls: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[str, StoreHook]]:
    """Yield URL and hook of a store; without a middleware it is the reference server.

    It serves whoever TLS lets in.
    """
    store = Store(directory / "state.db")
    await store.start()
    app = make_application(Handlers(store, JoiningRules()), None)
    state = State(store)
    if middleware is not None:
        app.middlewares.insert(0, _middleware(middleware, state))
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{runner.addresses[0][1]}", StoreHook(state)
    finally:
        store.release()
        await runner.cleanup()
        await store.close()


def _middleware(middleware: Middleware, state: State) -> Any:
    @web.middleware
    async def break_rule(request: web.Request, handler: Any) -> web.StreamResponse:
        return await middleware(request, lambda other=request: handler(other), state)

    return break_rule


def breaks(rule: str, limits: Limits = PATIENT) -> Callable[[Middleware], Middleware]:
    """Note which rule a middleware breaks."""

    def note(middleware: Middleware) -> Middleware:
        BREAKAGES.append(Breakage(rule, middleware.__name__, middleware, limits))
        return middleware

    return note


def breaks_response(
    rule: str, method: str, suffix: str, status: int = 200
) -> Callable[[Change], Change]:
    """Note which rule a function breaks that gives another response to one operation."""

    def note(change: Change) -> Change:
        async def middleware(request: web.Request, respond: Respond, state: State) -> Any:
            response = await respond()
            if is_at(request, method, suffix) and response.status == status:
                assert isinstance(response, web.Response)
                return await change(request, response, state)
            return response

        BREAKAGES.append(Breakage(rule, change.__name__, middleware))
        return change

    return note


def breaks_configuration(rule: str) -> Callable[[Any], Any]:
    """Note which rule a function breaks that changes the configuration of a device in place."""

    def note(change: Callable[[dict[str, Any], str, State], None]) -> Any:
        async def middleware(request: web.Request, response: web.Response, state: State) -> Any:
            message = content_of(response)["device-configuration"]
            version = message["version"]
            change(message, device_of(request), state)
            changed_response = changed(response, **{"device-configuration": message})
            if message.get("version") != version:
                del changed_response.headers["ETag"]
            return changed_response

        middleware.__name__ = change.__name__
        breaks_response(rule, "GET", "configuration")(middleware)
        return change

    return note


def is_at(request: web.Request, method: str, suffix: str) -> bool:
    return request.method == method and request.path.endswith(f"/{suffix}")


def device_of(request: web.Request) -> str:
    return request.match_info.get("device_id", "")


def failure(status: int) -> web.Response:
    return web.json_response({"message": "broken"}, status=status)


def changed(response: web.StreamResponse, **members: object) -> web.StreamResponse:
    """Return a JSON response with other members; None removes one."""
    assert isinstance(response, web.Response)
    content = {**json.loads(response.body), **members}
    content = {key: value for key, value in content.items() if value is not None}
    headers = {name: value for name, value in response.headers.items() if name == "ETag"}
    return web.json_response(content, status=response.status, headers=headers)


def content_of(response: web.StreamResponse) -> Any:
    assert isinstance(response, web.Response)
    return json.loads(response.body) if response.body else None


async def is_going(state: State, name: str) -> bool:
    """Tell whether the reference server has the wish that a device goes on record."""
    found = await state.store.read(lambda c: joining.registration_status(c, Name("default", name)))
    return found.status == "unregistered"
