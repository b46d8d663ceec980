"""Data stores that break a rule of heartbeats, configurations or the feed of changes."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from aiohttp import web
from broken_stores import (
    IMPATIENT,
    SLOW,
    Respond,
    State,
    breaks,
    breaks_configuration,
    breaks_response,
    changed,
    content_of,
    device_of,
    failure,
    is_at,
    is_going,
)
from multidict import CIMultiDict

from flotta.configuration_api.configurations import find_configuration
from flotta.configuration_api.names import Name

Message = dict[str, Any]


@breaks("heartbeat-stored")
async def wants_no_workloads(request: web.Request, respond: Respond, _: State) -> Any:
    """Refuse a workload without the date that agents of v0.2 send always."""
    return failure(400) if await has_plain_workload(request) else await respond()


@breaks("heartbeat-stored")
async def stores_heartbeats_later(request: web.Request, respond: Respond, _: State) -> Any:
    return web.Response(status=202) if await has_plain_workload(request) else await respond()


async def has_plain_workload(request: web.Request) -> bool:
    if not is_at(request, "PUT", "heartbeat"):
        return False
    workloads = (await request.json()).get("workloads") or []
    return len(workloads) == 1 and "last_data_upload" not in workloads[0]


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


@breaks_response("heartbeat-wanted", "PUT", "heartbeat")
async def always_wants_hardware(_: web.Request, response: Any, __: State) -> Any:
    response.headers["Flotta-Wanted"] = "hardware"
    return response


@breaks_response("heartbeat-wanted", "PUT", "heartbeat")
async def replaces_hardware_by_parts(request: web.Request, response: Any, state: State) -> Any:
    hardware = (await request.json()).get("hardware") or {}
    if "hostname" in hardware:
        state.kept[device_of(request)] = "" if "cpu" in hardware else "a part"
    if state.kept.get(device_of(request)):
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


@breaks_response("playbooks", "GET", "playbookexecutions")
async def has_no_list_of_playbooks(*_: Any) -> Any:
    return web.json_response(None)


@breaks_response("unconfigured-has-no-configuration", "GET", "configuration", 404)
async def configures_registered_devices(_: web.Request, response: Any, __: State) -> Any:
    nobody_did = "nobody has put" in content_of(response)["message"]
    return web.json_response({"device-configuration": {}}) if nobody_did else response


@breaks_response("enrolled-has-no-configuration", "GET", "configuration", 404)
async def configures_who_enrolled(request: web.Request, response: Any, state: State) -> Any:
    if await is_going(state, device_of(request)):
        return response
    return await whatever_was_put(request, response, state)


@breaks_response("leaving-has-no-configuration", "GET", "configuration", 404)
async def configures_who_is_to_go(request: web.Request, response: Any, state: State) -> Any:
    if not await is_going(state, device_of(request)):
        return response
    return await whatever_was_put(request, response, state)


async def whatever_was_put(request: web.Request, response: Any, state: State) -> Any:
    name = Name("default", device_of(request))
    stored = await state.store.read(lambda c: find_configuration(c, name))
    if stored is None:
        return response
    return web.json_response({"device-configuration": msgspec.json.decode(stored.content)})


@breaks_configuration("configuration-delivered")
def loses_a_workload(message: Message, _: str, __: State) -> None:
    message["workloads"] = message.get("workloads", [])[:1]


@breaks_configuration("configuration-delivered")
def has_no_settings(message: Message, _: str, __: State) -> None:
    """Leave out the section without which an Edge API takes nothing."""
    del message["configuration"]


@breaks_configuration("configuration-delivered")
def loses_a_setting(message: Message, _: str, __: State) -> None:
    del message["configuration"]["heartbeat"]["period_seconds"]


@breaks_configuration("configuration-delivered")
def loses_what_agents_of_v02_need(message: Message, _: str, __: State) -> None:
    del message["configuration"]["heartbeat"]["hardware_profile"]


@breaks_configuration("configuration-delivered")
def loses_secrets(message: Message, _: str, __: State) -> None:
    del message["secrets"]


@breaks_response("configuration-empty", "GET", "configuration")
async def withholds_empty_configurations(_: web.Request, response: Any, __: State) -> Any:
    message = content_of(response)["device-configuration"]
    return response if message.get("workloads") else failure(404)


@breaks_configuration("configuration-named")
def names_no_device(message: Message, _: str, __: State) -> None:
    del message["device_id"]


@breaks_configuration("configuration-stable")
def mixes_lists(message: Message, _: str, state: State) -> None:
    state.counts["mixed"] += 1
    if len(message.get("workloads", ())) > 2 and state.counts["mixed"] % 2:
        message["workloads"].reverse()


@breaks("configuration-stable")
async def has_a_version_for_each_heartbeat(
    request: web.Request, respond: Respond, state: State
) -> Any:
    """Count all changes of a record, as the resource API did for v0.2."""
    if is_at(request, "PUT", "heartbeat"):
        state.counts[device_of(request)] += 1
    response = await respond()
    if is_at(request, "GET", "configuration") and response.status == 200:
        message = content_of(response)["device-configuration"]
        message["version"] += f"-{state.counts[device_of(request)]}"
        return web.json_response({"device-configuration": message})
    return response


@breaks_configuration("configuration-stable")
def counts_what_is_put(message: Message, device: str, state: State) -> None:
    message["version"] = str(state.counts[f"puts of {device}"])


@breaks_configuration("configuration-version")
def keeps_its_version(message: Message, _: str, __: State) -> None:
    message["version"] = "1"


@breaks("configuration-etag")
async def has_other_entity_tags(request: web.Request, respond: Respond, _: State) -> Any:
    headers = CIMultiDict(request.headers)
    if "If-None-Match" in headers:
        headers["If-None-Match"] = headers["If-None-Match"].replace("tag-", "")
    response = await respond(request.clone(headers=headers))
    if "ETag" in response.headers:
        response.headers["ETag"] = response.headers["ETag"].replace('"', '"tag-', 1)
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
    found = await state.store.wait_for_changes(after_of(request) // 10_000, wait_of(request))
    content = content_of(web.json_response(msgspec.to_builtins(found)))
    return web.json_response({**content, "version": found.version * 10_000})


@breaks_response("changes-of-configurations", "GET", "changes")
async def names_no_configurations(_: web.Request, response: Any, state: State) -> Any:
    """Name a device once, when it registers, and when it is to go."""
    content = content_of(response)
    if not content["complete"]:
        return response
    new = [name for name in content["devices"] if name not in state.seen["named"]]
    state.seen["named"].update(new)
    devices = [
        name
        for name in content["devices"]
        if await is_going(state, name.partition("/")[2])
        or (name in new and not await has_configuration(state, name))
    ]
    return changed(response, devices=devices)


@breaks("changes-of-configurations", IMPATIENT)
async def names_configurations_late(request: web.Request, respond: Respond, state: State) -> Any:
    """Look for configurations now and then."""
    response = await respond()
    if is_at(request, "GET", "changes") and wait_of(request) > 10:
        names = content_of(response)["devices"]
        if names and not await is_going(state, names[0].partition("/")[2]):
            await asyncio.sleep(SLOW)
    return response


@breaks_response("changes-of-registrations", "GET", "changes")
async def names_no_registrations(_: web.Request, response: Any, state: State) -> Any:
    devices = [
        name
        for name in content_of(response)["devices"]
        if await has_configuration(state, name) or await is_going(state, name.partition("/")[2])
    ]
    return changed(response, devices=devices)


@breaks_response("changes-of-wishes", "GET", "changes")
async def names_no_wishes(_: web.Request, response: Any, state: State) -> Any:
    names = content_of(response)["devices"]
    devices = [name for name in names if not await is_going(state, name.partition("/")[2])]
    return changed(response, devices=devices)


@breaks("changes-hold")
async def holds_nothing(request: web.Request, respond: Respond, state: State) -> Any:
    """Return at once for a version after which nothing has changed, unless somebody waits long."""
    if is_at(request, "GET", "changes") and wait_of(request) < 10:
        found = await state.store.wait_for_changes(after_of(request), 0)
        return web.json_response(msgspec.to_builtins(found))
    return await respond()


@breaks("changes-unknown-version")
async def knows_the_future(request: web.Request, respond: Respond, state: State) -> Any:
    if is_at(request, "GET", "changes"):
        found = await state.store.wait_for_changes(0, 0)
        if after_of(request) > found.version:
            return web.json_response(
                {"version": after_of(request), "devices": [], "complete": True}
            )
    return await respond()


@breaks_response("changes-unknown-version", "GET", "changes")
async def holds_unknown_versions(request: web.Request, response: Any, _: State) -> Any:
    if not content_of(response)["complete"]:
        await asyncio.sleep(wait_of(request))
    return response


async def has_configuration(state: State, name: str) -> bool:
    namespace, _, device = name.partition("/")
    found = Name(namespace, device)
    return await state.store.read(lambda c: find_configuration(c, found)) is not None


def after_of(request: web.Request) -> int:
    return int(request.query.get("after", 0))


def wait_of(request: web.Request) -> float:
    return float(request.headers.get("Prefer", "wait=0").partition("=")[2])
