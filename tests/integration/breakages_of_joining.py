"""Data stores that break a rule of who is known, of enrolment or of registration."""

from __future__ import annotations

import uuid
from typing import Any

from aiohttp import web
from broken_stores import (
    Respond,
    State,
    breaks,
    breaks_response,
    changed,
    content_of,
    device_of,
    failure,
    is_at,
    is_going,
)
from multidict import CIMultiDict

from flotta.configuration_api import joining
from flotta.configuration_api.names import Name


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


@breaks_response("unknown-has-no-configuration", "GET", "configuration", 404)
async def configures_unknown_devices(request: web.Request, response: Any, state: State) -> Any:
    if await is_on_record(state, device_of(request)):
        return response
    return web.json_response({"device-configuration": {}})


@breaks_response("unknown-heartbeat", "PUT", "heartbeat", 404)
async def takes_every_heartbeat(*_: Any) -> Any:
    return web.Response()


@breaks("enrolment-recorded")
async def accepts_later(request: web.Request, respond: Respond, _: State) -> Any:
    """Respond 202, which an Edge API takes for 201; approvals count, and so do additions."""
    response = await respond()
    if is_at(request, "POST", "enrolment") and response.status == 201:
        text = await request.text()
        strict = "later" in text or len(device_of(request)) == 64
        return response if strict else web.Response(status=202)
    return response


@breaks_response("enrolment-repeated", "POST", "enrolment", 201)
async def refuses_the_second_enrolment(request: web.Request, response: Any, state: State) -> Any:
    state.counts[device_of(request)] += 1
    if state.counts[device_of(request)] > 1 and not await is_going(state, device_of(request)):
        return failure(409)
    return response


@breaks("enrolment-registers-nothing")
async def registers_by_enrolment(request: web.Request, respond: Respond, state: State) -> Any:
    """Say that a device is registered, until its registration is refused."""
    response = await respond()
    if is_at(request, "PUT", "registration") and response.status in (404, 409):
        state.kept[device_of(request)] = "refused"
    if not is_at(request, "GET", "registration"):
        return response
    content = content_of(response)
    enrolled = "pending" in content["message"] or "approved" in content["message"]
    if enrolled and content["status"] == "unknown" and device_of(request) not in state.kept:
        return changed(response, status="registered")
    return response


@breaks("registration-unapproved")
async def registers_strangers(request: web.Request, respond: Respond, _: State) -> Any:
    response = await respond()
    stranger = is_at(request, "PUT", "registration") and "is not approved" in text_of(response)
    return web.Response() if stranger else response


@breaks("registration-unapproved")
async def registers_who_waits(request: web.Request, respond: Respond, state: State) -> Any:
    response = await respond()
    refused = is_at(request, "PUT", "registration") and "is not approved" in text_of(response)
    waits = refused and await is_on_record(state, device_of(request))
    return web.Response() if waits else response


@breaks_response("approved-agrees", "GET", "registration")
async def says_that_new_devices_are_approved(_: web.Request, response: Any, __: State) -> Any:
    if "pending" in content_of(response)["message"]:
        return changed(response, approved=True)
    return response


@breaks("enrolment-additions")
async def knows_all_properties(request: web.Request, respond: Respond, _: State) -> Any:
    if is_at(request, "POST", "enrolment") and b'"later"' in await request.read():
        return failure(400)
    return await respond()


@breaks_response("malformed-body", "POST", "enrolment", 400)
async def breaks_down_over_malformed_bodies(*_: Any) -> Any:
    return failure(500)


@breaks_response("malformed-body", "POST", "enrolment", 400)
async def takes_malformed_bodies_for_strangers(*_: Any) -> Any:
    return failure(403)


@breaks("long-device-id")
async def knows_short_ids(request: web.Request, respond: Respond, _: State) -> Any:
    return failure(400) if len(device_of(request)) > 40 else await respond()


@breaks_response("approval-counts", "POST", "enrolment")
async def responds_201_to_approved_devices(
    request: web.Request, response: Any, state: State
) -> Any:
    status = await record_of(state, device_of(request))
    return response if status.status == "registered" else web.Response(status=201)


@breaks_response("enrolment-of-registered", "POST", "enrolment")
async def knows_no_registered_devices(request: web.Request, response: Any, state: State) -> Any:
    status = await record_of(state, device_of(request))
    return failure(409) if status.status == "registered" else response


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


@breaks_response("registration-recorded", "PUT", "registration")
async def registers_later(request: web.Request, response: Any, state: State) -> Any:
    """Respond 202 to the first registration of a device."""
    state.counts[device_of(request)] += 1
    return response if state.counts[device_of(request)] > 1 else web.Response(status=202)


@breaks("registration-recorded")
async def knows_all_properties_of_registrations(
    request: web.Request, respond: Respond, _: State
) -> Any:
    if is_at(request, "PUT", "registration") and b'"later"' in await request.read():
        return failure(400)
    return await respond()


@breaks_response("registration-namespace", "GET", "registration")
async def names_no_namespace(_: web.Request, response: Any, __: State) -> Any:
    return changed(response, namespace=None)


@breaks("registration-repeated")
async def gives_another_uid_each_time(request: web.Request, respond: Respond, state: State) -> Any:
    headers = CIMultiDict(request.headers)
    headers.popall("Flotta-Device-UID", None)  # which the reference server has not given
    response = await respond(request.clone(headers=headers))
    name = device_of(request)
    by_batch = request.headers.get("Flotta-Peer") == "registration"
    if is_at(request, "PUT", "registration") and response.status == 200 and by_batch:
        state.kept[name] = str(uuid.uuid4())
    if is_at(request, "GET", "registration") and name in state.kept:
        return changed(response, uid=state.kept[name])
    return response


@breaks("registration-key")
async def names_another_key(request: web.Request, respond: Respond, state: State) -> Any:
    """Name another key until anybody has tried to register again."""
    response = await respond()
    name = device_of(request)
    if is_at(request, "PUT", "registration"):
        state.counts[name] += 1
    if is_at(request, "GET", "registration") and "public_key" in text_of(response):
        return response if state.counts[name] > 1 else changed(response, **NO_KEY)
    return response


NO_KEY = {"public_key_fingerprint": "0" * 64}


@breaks_response("registration-other-key", "PUT", "registration", 409)
async def lets_another_key_take_over(_: web.Request, response: Any, __: State) -> Any:
    return web.Response() if is_for_another_key(response) else response


@breaks_response("registration-other-key", "PUT", "registration", 409)
async def takes_another_key_for_a_stranger(_: web.Request, response: Any, __: State) -> Any:
    """Respond 403, which an Edge API takes for a mistake in certificates."""
    return failure(403) if is_for_another_key(response) else response


@breaks("registration-other-key")
async def records_the_key_that_it_refuses(
    request: web.Request, respond: Respond, state: State
) -> Any:
    response = await respond()
    name = device_of(request)
    if is_at(request, "PUT", "registration") and is_for_another_key(response):
        state.kept[name] = request.headers["Flotta-Public-Key-Fingerprint"]
    if is_at(request, "GET", "registration") and name in state.kept:
        return changed(response, public_key_fingerprint=state.kept[name])
    return response


@breaks("registration-renewal")
async def refuses_renewals(request: web.Request, respond: Respond, _: State) -> Any:
    is_renewal = request.headers.get("Flotta-Peer") == "device"
    if is_at(request, "PUT", "registration") and is_renewal:
        return failure(409)
    return await respond()


@breaks("registration-renewal")
async def takes_every_uid_for_a_former_one(request: web.Request, respond: Respond, _: State) -> Any:
    if is_at(request, "PUT", "registration") and "Flotta-Device-UID" in request.headers:
        return failure(409)
    return await respond()


@breaks("registration-renewal")
async def keeps_the_key_of_before_a_renewal(
    request: web.Request, respond: Respond, state: State
) -> Any:
    response = await respond()
    name = device_of(request)
    if is_at(request, "GET", "registration") and "public_key" in text_of(response):
        key = content_of(response)["public_key_fingerprint"]
        return changed(response, public_key_fingerprint=state.kept.setdefault(name, key))
    return response


@breaks("namespaces-apart")
async def has_one_namespace(request: web.Request, respond: Respond, state: State) -> Any:
    if is_at(request, "GET", "registration") and "/conformance-other/" in request.path:
        found = await record_of(state, device_of(request))
        return web.json_response({"status": found.status, "namespace": "default"})
    return await respond()


def text_of(response: web.StreamResponse) -> str:
    return str(content_of(response))


def is_for_another_key(response: web.StreamResponse) -> bool:
    return response.status == 409 and "another key" in text_of(response)


async def record_of(state: State, name: str) -> Any:
    found = Name("default", name)
    return await state.store.read(lambda c: joining.registration_status(c, found))


async def is_on_record(state: State, name: str) -> bool:
    return "not on record" not in (await record_of(state, name)).message
