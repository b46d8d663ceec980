"""Data stores that break a rule of the wish that a device goes, or one of all responses."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web
from broken_stores import (
    IMPATIENT,
    SLOW,
    Respond,
    State,
    StoreHook,
    breaks,
    breaks_response,
    changed,
    content_of,
    device_of,
    failure,
    is_at,
    is_going,
)


@breaks_response("wish-on-record", "GET", "registration")
async def forgets_who_was_to_go(_: web.Request, response: Any, state: State) -> Any:
    """Say once that a device is unknown which was told to go."""
    if content_of(response)["status"] == "unregistered" and not state.counts["forgotten"]:
        state.counts["forgotten"] += 1
        return changed(response, status="unknown")
    return response


@breaks_response("wish-for-one", "GET", "registration")
async def lets_all_go(request: web.Request, response: Any, state: State) -> Any:
    """Take the wish for the last devices that joined."""
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
    return await status_after_enrolment("registered", request, respond, state)


@breaks("wish-outlives-enrolment")
async def forgets_the_wish_at_an_enrolment(
    request: web.Request, respond: Respond, state: State
) -> Any:
    return await status_after_enrolment("unknown", request, respond, state)


async def status_after_enrolment(
    status: str, request: web.Request, respond: Respond, state: State
) -> Any:
    name = device_of(request)
    going = await is_going(state, name)
    response = await respond()
    if going and is_at(request, "POST", "enrolment"):
        state.seen["again"].add(name)
    if going and is_at(request, "GET", "registration") and name in state.seen["again"]:
        return changed(response, status=status)
    return response


@breaks("wish-outlives-enrolment")
async def forgets_the_wish_after_a_heartbeat(
    request: web.Request, respond: Respond, state: State
) -> Any:
    """Take a device that reports for one that stays, until it enrols."""
    name = device_of(request)
    going = await is_going(state, name)
    response = await respond()
    if is_at(request, "PUT", "heartbeat") and going:
        state.seen["reported"].add(name)
    if is_at(request, "GET", "registration") and going and name in state.seen["reported"]:
        return changed(response, status="registered")
    return response


@breaks("wish-needs-approval")
async def approves_of_returns(request: web.Request, respond: Respond, state: State) -> Any:
    response = await respond()
    going = await is_going(state, device_of(request))
    if is_at(request, "GET", "registration") and going:
        return changed(response, approved=True)
    return response


@breaks_response("wish-needs-approval", "POST", "enrolment", 201)
async def lets_devices_return_at_once(request: web.Request, response: Any, state: State) -> Any:
    if not await is_going(state, device_of(request)):
        return response
    await StoreHook(state).approve("default", device_of(request))
    return web.Response()


@breaks_response("wish-return", "GET", "registration")
async def gives_the_same_uid_again(request: web.Request, response: Any, state: State) -> Any:
    if uid := content_of(response).get("uid"):
        return changed(response, uid=state.kept.setdefault(device_of(request), uid))
    return response


@breaks("wish-return")
async def lets_nobody_return(request: web.Request, respond: Respond, state: State) -> Any:
    if await is_going(state, device_of(request)):
        state.seen["left"].add(device_of(request))
    if is_at(request, "PUT", "registration") and device_of(request) in state.seen["left"]:
        return failure(409)
    return await respond()


@breaks("disconnect")
async def breaks_down_when_a_device_went(request: web.Request, respond: Respond, _: State) -> Any:
    return failure(500) if is_at(request, "PUT", "disconnect") else await respond()


@breaks_response("disconnect", "PUT", "disconnect")
async def takes_one_disconnect(request: web.Request, response: Any, state: State) -> Any:
    state.counts[device_of(request)] += 1
    return response if state.counts[device_of(request)] == 1 else failure(409)


@breaks("errors-are-json")
async def has_errors_of_text(_: web.Request, respond: Respond, __: State) -> Any:
    response = await respond()
    if response.status == 404:
        return web.Response(status=404, body=b'"not found"', content_type="application/json")
    return response


@breaks_response("content-type", "GET", "playbookexecutions")
async def sends_text(*_: Any) -> Any:
    return web.Response(text="[]")


@breaks_response("small-responses", "GET", "registration")
async def is_talkative(_: web.Request, response: Any, __: State) -> Any:
    return changed(response, message="m" * 100_000)


@breaks("in-time", IMPATIENT)
async def is_slow(request: web.Request, respond: Respond, _: State) -> Any:
    response = await respond()
    if is_at(request, "GET", "playbookexecutions"):
        await asyncio.sleep(SLOW)
    return response


@breaks("in-time", IMPATIENT)
async def holds_too_long(request: web.Request, respond: Respond, _: State) -> Any:
    """Hold for longer than asked while nothing changes."""
    response = await respond()
    held = is_at(request, "GET", "changes") and "Prefer" in request.headers
    if held and not content_of(response)["devices"] and content_of(response)["complete"]:
        await asyncio.sleep(SLOW)
    return response
