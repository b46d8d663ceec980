"""Data stores that break one rule of the Edge Configuration API each, and otherwise keep them.

Each is the reference server behind a middleware, a `Breakage`: it gets the request and a function
that lets the reference server respond, and has its own `State` for what it remembers.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import uuid
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web
from multidict import CIMultiDict

from flotta.configuration_api import joining, leaving
from flotta.configuration_api.application import make_application
from flotta.configuration_api.configuration_file import parse_configuration
from flotta.configuration_api.configurations import put_configuration
from flotta.configuration_api.handlers import Handlers, JoiningRules
from flotta.configuration_api.names import Name
from flotta.configuration_api.store import Store

Respond = Callable[..., Awaitable[web.StreamResponse]]  # to another request, if one is given
Breakage = Callable[[web.Request, Respond, "State"], Awaitable[web.StreamResponse]]
SLOW = 5.5  # seconds; more than an Edge API waits
BREAKAGES: dict[str, Breakage] = {}


class State:
    """What a broken store remembers between requests."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.counts: Counter[str] = Counter()
        self.seen: dict[str, set[str]] = defaultdict(set)
        self.kept: dict[str, str] = {}


class StoreHook:
    """The kit's hook within the process of the test."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def approve(self, namespace: str, device_id: str) -> None:
        name = Name(namespace, device_id)
        await self._store.write(lambda found: joining.approve(found, name))

    async def configure(self, namespace: str, device_id: str, content: bytes) -> None:
        message = parse_configuration(content, device_id, is_json=True)
        name = Name(namespace, device_id)
        await self._store.write(lambda found: put_configuration(found, name, message))

    async def unregister(self, namespace: str, device_id: str) -> None:
        name = Name(namespace, device_id)
        await self._store.write(lambda found: leaving.unregister(found, name))

    async def forget(self, namespace: str, device_id: str) -> None:
        return


@asynccontextmanager
async def broken_store(
    directory: Path, breakage: Breakage | None, tls: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[str, StoreHook]]:
    """Yield URL and hook of a store; without a breakage it is the reference server.

    It serves whoever TLS lets in.
    """
    store = Store(directory / "state.db")
    await store.start()
    app = make_application(Handlers(store, JoiningRules()), None)
    if breakage is not None:
        app.middlewares.insert(0, _middleware(breakage, State(store)))
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{runner.addresses[0][1]}", StoreHook(store)
    finally:
        store.release()
        await runner.cleanup()
        await store.close()


def _middleware(breakage: Breakage, state: State) -> Any:
    @web.middleware
    async def break_rule(request: web.Request, handler: Any) -> web.StreamResponse:
        return await breakage(request, lambda other=request: handler(other), state)

    return break_rule


def breaks(rule: str) -> Callable[[Breakage], Breakage]:
    """Note which rule a breakage breaks."""

    def note(breakage: Breakage) -> Breakage:
        BREAKAGES[rule] = breakage
        return breakage

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


@breaks("unknown-path")
async def knows_every_path(request: web.Request, respond: Respond, _: State) -> Any:
    if request.match_info.route.resource is None:
        return web.json_response({"message": "welcome"})
    return await respond()


@breaks("unknown-is-unknown")
async def takes_unknown_for_unregistered(
    request: web.Request, respond: Respond, state: State
) -> Any:
    """Forget which devices it knows from requests about registration of no enrolled device."""
    if request.method in ("POST", "PUT"):
        state.seen["written"].add(device_of(request))
    response = await respond()
    unknown = device_of(request) not in state.seen["written"]
    if is_at(request, "GET", "registration") and unknown:
        return changed(response, status="unregistered")
    return response


@breaks("unknown-has-no-configuration")
async def configures_everybody(request: web.Request, respond: Respond, _: State) -> Any:
    response = await respond()
    if is_at(request, "GET", "configuration") and response.status == 404:
        return web.json_response({"device-configuration": {}})
    return response


@breaks("unknown-heartbeat")
async def takes_every_heartbeat(request: web.Request, respond: Respond, _: State) -> Any:
    response = await respond()
    if is_at(request, "PUT", "heartbeat") and response.status == 404:
        return web.Response()
    return response


@breaks("enrolment-recorded")
async def accepts_later(request: web.Request, respond: Respond, _: State) -> Any:
    """Respond 202, which an Edge API takes for 201; approvals count, and so do additions."""
    response = await respond()
    if is_at(request, "POST", "enrolment") and response.status == 201:
        text = await request.text()
        strict = "later" in text or len(device_of(request)) == 64
        return response if strict else web.Response(status=202)
    return response


@breaks("enrolment-repeated")
async def refuses_the_second_enrolment(request: web.Request, respond: Respond, state: State) -> Any:
    response = await respond()
    if is_at(request, "POST", "enrolment") and response.status == 201:
        state.counts[device_of(request)] += 1
        if state.counts[device_of(request)] > 1 and not await is_going(state, device_of(request)):
            return failure(409)
    return response


@breaks("enrolment-registers-nothing")
async def registers_by_enrolment(request: web.Request, respond: Respond, _: State) -> Any:
    response = await respond()
    if is_at(request, "GET", "registration"):
        content = content_of(response)
        enrolled = "pending" in content["message"] or "approved" in content["message"]
        if enrolled and content["status"] == "unknown":
            return changed(response, status="registered")
    return response


@breaks("approved-agrees")
async def says_that_all_are_approved(request: web.Request, respond: Respond, _: State) -> Any:
    response = await respond()
    if is_at(request, "GET", "registration") and "pending" in content_of(response)["message"]:
        return changed(response, approved=True)
    return response


@breaks("enrolment-additions")
async def knows_all_properties(request: web.Request, respond: Respond, _: State) -> Any:
    if is_at(request, "POST", "enrolment") and b'"later"' in await request.read():
        return failure(400)
    return await respond()


@breaks("malformed-body")
async def breaks_down_over_malformed_bodies(
    request: web.Request, respond: Respond, _: State
) -> Any:
    response = await respond()
    return failure(500) if response.status == 400 else response


@breaks("long-device-id")
async def knows_short_ids(request: web.Request, respond: Respond, _: State) -> Any:
    return failure(400) if len(device_of(request)) > 40 else await respond()


@breaks("approval-counts")
async def always_responds_201(request: web.Request, respond: Respond, _: State) -> Any:
    response = await respond()
    if is_at(request, "POST", "enrolment") and response.status == 200:
        return web.Response(status=201)
    return response


@breaks("registration-recorded")
async def forgets_the_first_look(request: web.Request, respond: Respond, state: State) -> Any:
    """Say for a moment that a device is unknown which has just registered for the first time."""
    response = await respond()
    name = device_of(request)
    if is_at(request, "PUT", "registration") and response.status == 200:
        state.counts[name] += 1
    if is_at(request, "GET", "registration") and state.counts[name] == 1:
        state.counts[name] += 1
        return changed(response, status="unknown")
    return response


@breaks("registration-namespace")
async def names_no_namespace(request: web.Request, respond: Respond, _: State) -> Any:
    response = await respond()
    if is_at(request, "GET", "registration") and response.status == 200:
        return changed(response, namespace=None)
    return response


@breaks("registration-repeated")
async def gives_another_uid_each_time(request: web.Request, respond: Respond, state: State) -> Any:
    response = await respond()
    name = device_of(request)
    by_batch = request.headers.get("Flotta-Peer") == "registration"
    if is_at(request, "PUT", "registration") and response.status == 200 and by_batch:
        state.kept[name] = str(uuid.uuid4())
    if is_at(request, "GET", "registration") and name in state.kept:
        return changed(response, uid=state.kept[name])
    return response


@breaks("registration-key")
async def names_another_key(request: web.Request, respond: Respond, _: State) -> Any:
    response = await respond()
    if is_at(request, "GET", "registration") and "public_key" in str(content_of(response)):
        return changed(response, public_key_fingerprint="0" * 64)
    return response


@breaks("registration-other-key")
async def lets_another_key_take_over(request: web.Request, respond: Respond, _: State) -> Any:
    response = await respond()
    if is_at(request, "PUT", "registration") and response.status == 409:
        return web.Response()
    return response


@breaks("registration-renewal")
async def refuses_renewals(request: web.Request, respond: Respond, _: State) -> Any:
    is_registration = is_at(request, "PUT", "registration")
    if is_registration and request.headers["Flotta-Peer"] == "device":
        return failure(409)
    return await respond()


@breaks("namespaces-apart")
async def has_one_namespace(request: web.Request, respond: Respond, state: State) -> Any:
    if is_at(request, "GET", "registration") and "/conformance-other/" in request.path:
        name = Name("default", device_of(request))
        found = await state.store.read(lambda c: joining.registration_status(c, name))
        return web.json_response({"status": found.status, "namespace": "default"})
    return await respond()


@breaks("heartbeat-stored")
async def wants_no_workloads(request: web.Request, respond: Respond, _: State) -> Any:
    """Refuse a workload without the date that agents of v0.2 send always."""
    if is_at(request, "PUT", "heartbeat"):
        workloads = (await request.json()).get("workloads") or []
        if len(workloads) == 1 and "last_data_upload" not in workloads[0]:
            return failure(400)
    return await respond()


@breaks("heartbeat-of-v0.2")
async def wants_lists(request: web.Request, respond: Respond, _: State) -> Any:
    if is_at(request, "PUT", "heartbeat") and b'"events":null' in await request.read():
        return failure(400)
    return await respond()


@breaks("heartbeat-large")
async def takes_small_heartbeats(request: web.Request, respond: Respond, _: State) -> Any:
    return failure(413) if (request.content_length or 0) > 64 * 1024 else await respond()


@breaks("heartbeat-repeated")
async def refuses_repeated_heartbeats(request: web.Request, respond: Respond, state: State) -> Any:
    if is_at(request, "PUT", "heartbeat"):
        message_id = request.headers["Flotta-Message-ID"]
        if message_id in state.seen["messages"]:
            return failure(409)
        state.seen["messages"].add(message_id)
    return await respond()


@breaks("heartbeat-wanted")
async def always_wants_hardware(request: web.Request, respond: Respond, _: State) -> Any:
    response = await respond()
    if is_at(request, "PUT", "heartbeat") and response.status == 200:
        response.headers["Flotta-Wanted"] = "hardware"
    return response


@breaks("heartbeats-at-once")
async def takes_one_at_a_time(request: web.Request, respond: Respond, state: State) -> Any:
    if not is_at(request, "PUT", "heartbeat"):
        return await respond()
    state.counts["now"] += 1
    try:
        if state.counts["now"] > 1:
            return failure(503)
        await asyncio.sleep(0.02)  # what makes it slow
        return await respond()
    finally:
        state.counts["now"] -= 1


@breaks("playbooks")
async def has_no_list_of_playbooks(request: web.Request, respond: Respond, _: State) -> Any:
    response = await respond()
    if is_at(request, "GET", "playbookexecutions") and response.status == 200:
        return web.json_response(None)
    return response


@breaks("configuration-delivered")
async def loses_a_workload(request: web.Request, respond: Respond, _: State) -> Any:
    response = await respond()
    if is_at(request, "GET", "configuration") and response.status == 200:
        message = content_of(response)["device-configuration"]
        message["workloads"] = message["workloads"][:1]
        return changed(response, **{"device-configuration": message})
    return response


@breaks("configuration-named")
async def names_no_device(request: web.Request, respond: Respond, _: State) -> Any:
    response = await respond()
    if is_at(request, "GET", "configuration") and response.status == 200:
        message = content_of(response)["device-configuration"]
        del message["device_id"]
        return changed(response, **{"device-configuration": message})
    return response


@breaks("configuration-stable")
async def mixes_lists(request: web.Request, respond: Respond, state: State) -> Any:
    response = await respond()
    if is_at(request, "GET", "configuration") and response.status == 200:
        message = content_of(response)["device-configuration"]
        state.counts["mixed"] += 1
        if len(message["workloads"]) > 2 and state.counts["mixed"] % 2:
            message["workloads"].reverse()
        return changed(response, **{"device-configuration": message})
    return response


@breaks("configuration-version")
async def keeps_its_version(request: web.Request, respond: Respond, _: State) -> Any:
    response = await respond()
    if is_at(request, "GET", "configuration") and response.status == 200:
        message = content_of(response)["device-configuration"]
        message["version"] = "1"
        return changed(response, **{"device-configuration": message})
    return response


@breaks("configuration-not-modified")
async def ignores_entity_tags(request: web.Request, respond: Respond, _: State) -> Any:
    headers = CIMultiDict(request.headers)
    headers.popall("If-None-Match", None)
    return await respond(request.clone(headers=headers))  # as a proxy in between may do


@breaks("configuration-modified")
async def never_modifies(request: web.Request, respond: Respond, _: State) -> Any:
    if is_at(request, "GET", "configuration") and "If-None-Match" in request.headers:
        return web.Response(status=304)
    return await respond()


@breaks("changes-form")
async def has_large_versions(request: web.Request, respond: Respond, state: State) -> Any:
    """Count in nanoseconds, which JavaScript rounds."""
    if not is_at(request, "GET", "changes"):
        return await respond()
    after = int(request.query.get("after", 0))
    seconds = min(float(request.headers.get("Prefer", "wait=0").partition("=")[2]), 90)
    found = await state.store.wait_for_changes(after // 10_000, seconds)
    return web.json_response(
        {
            "version": found.version * 10_000,
            "devices": found.devices,
            "complete": found.complete,
        }
    )


@breaks("changes-of-configurations")
async def names_no_configurations(request: web.Request, respond: Respond, state: State) -> Any:
    """Name a device once, when it registers."""
    if not is_at(request, "GET", "changes"):
        return await respond()
    response = content_of(await respond())
    if response["complete"]:
        new = [name for name in response["devices"] if name not in state.seen["named"]]
        state.seen["named"].update(new)
        devices = [name for name in new if not await has_configuration(state, name)]
        return web.json_response({**response, "devices": devices})
    return web.json_response(response)


async def has_configuration(state: State, name: str) -> bool:
    query = "SELECT count(*) FROM configurations WHERE namespace = ? AND id = ?"
    found = await state.store.read(lambda c: c.execute(query, name.split("/")).fetchone())
    return bool(found[0])


@breaks("changes-of-registrations")
async def names_no_registrations(request: web.Request, respond: Respond, state: State) -> Any:
    if not is_at(request, "GET", "changes"):
        return await respond()
    response = content_of(await respond())
    devices = [name for name in response["devices"] if await has_configuration(state, name)]
    return web.json_response({**response, "devices": devices})


@breaks("changes-hold")
async def holds_nothing(request: web.Request, respond: Respond, state: State) -> Any:
    """Return at once for a version after which nothing has changed, unless somebody waits long."""
    if is_at(request, "GET", "changes") and "wait=30" not in request.headers.get("Prefer", ""):
        after = int(request.query.get("after", 0))
        found = await state.store.wait_for_changes(after, 0)
        return web.json_response(
            {"version": found.version, "devices": found.devices, "complete": found.complete}
        )
    return await respond()


@breaks("changes-unknown-version")
async def knows_the_future(request: web.Request, respond: Respond, state: State) -> Any:
    if is_at(request, "GET", "changes"):
        found = await state.store.wait_for_changes(0, 0)
        after = int(request.query.get("after", 0))
        if after > found.version:
            return web.json_response({"version": after, "devices": [], "complete": True})
    return await respond()


@breaks("wish-on-record")
async def forgets_who_was_to_go(request: web.Request, respond: Respond, _: State) -> Any:
    response = await respond()
    is_status = is_at(request, "GET", "registration")
    if is_status and content_of(response)["status"] == "unregistered":
        return changed(response, status="unknown")
    return response


@breaks("wish-for-one")
async def lets_all_go(request: web.Request, respond: Respond, state: State) -> Any:
    """Take the wish for the last devices that joined."""
    response = await respond()
    if is_at(request, "GET", "registration"):
        status = content_of(response)["status"]
        query = "SELECT id FROM devices WHERE state = 'unregistered'"
        going = [row[0] for row in await state.store.read(lambda c: c.execute(query).fetchall())]
        neighbours = {shift(name, -1) for name in going[-1:]}
        if status == "registered" and device_of(request) in neighbours:
            return changed(response, status="unregistered")
    return response


def shift(name: str, by: int) -> str:
    head, _, number = name.rpartition("-")
    return f"{head}-{int(number) + by}"


@breaks("wish-outlives-enrolment")
async def takes_an_enrolment_for_a_return(
    request: web.Request, respond: Respond, state: State
) -> Any:
    response = await respond()
    name = device_of(request)
    if is_at(request, "POST", "enrolment") and response.status == 201:
        state.seen["enrolled"].add(name)
    if is_at(request, "GET", "registration"):
        status = content_of(response)["status"]
        if status == "unregistered":
            state.counts[name] += 1
        if status == "unregistered" and name in state.seen["again"]:
            return changed(response, status="registered")
    if is_at(request, "POST", "enrolment") and await is_going(state, name):
        state.seen["again"].add(name)
    return response


async def is_going(state: State, name: str) -> bool:
    found = await state.store.read(lambda c: joining.registration_status(c, Name("default", name)))
    return found.status == "unregistered"


@breaks("disconnect")
async def breaks_down_when_a_device_went(request: web.Request, respond: Respond, _: State) -> Any:
    return failure(500) if is_at(request, "PUT", "disconnect") else await respond()


@breaks("errors-are-json")
async def has_errors_of_text(request: web.Request, respond: Respond, _: State) -> Any:
    response = await respond()
    if response.status == 404:
        return web.Response(status=404, body=b'"not found"', content_type="application/json")
    return response


@breaks("content-type")
async def sends_text(request: web.Request, respond: Respond, _: State) -> Any:
    response = await respond()
    if is_at(request, "GET", "playbookexecutions") and response.status == 200:
        return web.Response(text="[]")
    return response


@breaks("small-responses")
async def is_talkative(request: web.Request, respond: Respond, _: State) -> Any:
    response = await respond()
    if is_at(request, "GET", "registration") and response.status == 200:
        return changed(response, message="m" * 100_000)
    return response


@breaks("in-time")
async def is_slow(request: web.Request, respond: Respond, state: State) -> Any:
    response = await respond()
    if is_at(request, "GET", "playbookexecutions"):
        await asyncio.sleep(SLOW)
    return response
