"""Who may join, come back and has to go with a remote data store."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from edge_site import Device, data_message
from remote_site import RemoteSite, remote_site
from remote_store import Trouble, answering

from flotta.identity.authority import CertificateAndKey
from flotta.identity.keys import new_key
from waiting import eventually


@pytest_asyncio.fixture(params=[False, True], ids=["v0.2", "additions"])
async def site(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[RemoteSite]:
    async with remote_site(
        tmp_path, has_additions=request.param, REMOTE_BACKEND_WIPES_PER_HOUR="2"
    ) as started:
        await started.store.start(started.store_context())
        yield started


async def test_a_registration_certificate_does_not_replace_a_device(site: RemoteSite) -> None:
    device = await site.joined()
    before = len(site.store.of("PUT registration"))

    thief = site.device()
    refusals = [await thief.enrol(), await thief.register()]

    assert [(reply.status, reply.json()["reason"]) for reply in refusals] == [(403, "OtherKey")] * 2
    assert len(site.store.of("PUT registration")) == before
    assert (await device.beat()).status == 200


async def test_a_lost_registration_response_does_no_harm(site: RemoteSite) -> None:
    device = site.device()
    site.store.device("till-7").is_approved = True
    registration = device.identity
    await device.enrol()
    assert (await device.register()).status == 200
    await device.use(registration)  # as if it never got its certificate

    assert (await device.register()).status == 200

    if site.store.has_additions:  # the store knows the key, so a server that knows nothing does
        key = device.key
        await site.restart()
        again = site.device()
        again.key = key
        assert (await again.register()).status == 200


async def test_a_store_that_does_not_know_the_key_lets_nobody_in_again(site: RemoteSite) -> None:
    device = await site.joined()
    key = device.key
    site.store.device("till-7").key = ""
    await site.restart()

    again = site.device()
    again.key = key

    assert (await again.register()).json()["reason"] == "OtherKey"


async def test_a_registration_that_is_not_recorded_gives_no_certificate(site: RemoteSite) -> None:
    device = site.device()
    site.store.device("till-7").is_approved = True
    await device.enrol()
    site.store.trouble = answering(507, only="registration")

    assert (await device.register()).status == 503

    site.store.trouble = None
    assert (await device.register()).status == 200


UNFIT: list[tuple[dict[str, str], tuple[int, str]]] = [
    ({"status": "unknown"}, (503, "StoreAnswerInvalid")),
    ({"status": "unregistered"}, (503, "StoreAnswerInvalid")),
    ({"status": "registered", "public_key_fingerprint": "f" * 64}, (403, "OtherKey")),
    ({"status": "registered", "namespace": "flotta"}, (403, "NamespaceNotAllowed")),
    ({"status": "registered", "uid": "gerät-ü"}, (503, "StoreAnswerInvalid")),
]


async def test_what_the_store_says_after_a_registration_decides_on_the_certificate(
    tmp_path: Path,
) -> None:
    async with remote_site(tmp_path) as site:
        await site.store.start(site.store_context())
        for number, (said, refused) in enumerate(UNFIT):
            device = site.device(f"till-{number}")
            site.store.device(device.device_id).is_approved = True
            await device.enrol()
            site.store.seen.clear()
            site.store.trouble = saying_after_put(site, json.dumps(said))

            reply = await device.register()

            assert (reply.status, reply.json()["reason"]) == refused, said
            site.store.trouble = None  # what was recorded does not keep the device out
            assert (await device.register()).status == 200, said


def saying_after_put(site: RemoteSite, said: str) -> Trouble:
    async def say(request: web.Request) -> web.StreamResponse | None:
        is_late = request.method == "GET" and site.store.of("PUT registration")
        return await answering(200, said)(request) if is_late else None

    return say


async def test_a_store_that_begins_to_give_uids_keeps_its_devices(tmp_path: Path) -> None:
    async with remote_site(tmp_path) as site:
        await site.store.start(site.store_context())
        device = await site.joined()

        site.store.has_additions = True
        stored = site.store.device("till-7")
        stored.uid = "6f5e1d5c-0000-4000-8000-000000000007"
        await site.restart()
        again = site.device()
        again.key = device.key
        await again.use(device.identity)
        assert (await again.get("data")).status == 200
        assert (await again.register()).status == 200
        asked = site.store.of("PUT registration")[-1]
        assert "Flotta-Device-UID" not in asked.headers
        assert (await again.beat()).status == 200
        asked = site.store.of("PUT heartbeat")[-1]
        assert asked.headers["Flotta-Device-UID"] == stored.uid


async def test_a_wish_that_contradicts_itself_tells_nobody_to_go(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with remote_site(tmp_path, has_additions=True) as site:
        await site.store.start(site.store_context())
        device = await site.joined()
        stored = site.store.device("till-7")
        stored.uid = "u-2"
        assert (await device.register()).status == 200
        stored.status, stored.namespace, stored.uid = "unregistered", "elsewhere", ""
        site.store.note_change("till-7")

        async def is_leaving() -> bool:
            return (await device.get("data")).status == 403

        await eventually(is_leaving)
        assert (await device.get("control")).body == b""
        assert "is unregistered, but of the namespace elsewhere: it keeps running" in caplog.text
        stored.namespace, stored.uid = "", "u-2"
        site.store.note_change("till-7")

        async def is_told() -> bool:
            return bool((await device.get("control")).body)

        await eventually(is_told)


async def test_the_key_that_asked_first_is_the_one_that_may_register(site: RemoteSite) -> None:
    device, rival = site.device(), site.device()
    assert (await device.enrol()).status == 200

    assert (await rival.enrol()).json()["reason"] == "OtherKey"
    site.store.device("till-7").is_approved = True
    assert (await device.enrol()).status == 208
    assert (await rival.register()).json()["reason"] == "OtherKey"
    assert (await device.register()).status == 200


async def test_a_device_of_which_the_store_knows_no_registration_joins_with_a_new_key(
    site: RemoteSite,
) -> None:
    await site.joined()
    stored = site.store.device("till-7")
    stored.status, stored.is_approved, stored.key = "unregistered", False, ""

    device = site.device()
    assert (await device.enrol()).status == 200
    stored.is_approved = True
    assert (await device.enrol()).status == 208
    assert (await device.register()).status == 200


async def test_a_store_refuses_a_key_of_its_own_accord(site: RemoteSite) -> None:
    device = site.device()
    site.store.trouble = answering(409, only="enrolment")
    assert (await device.enrol()).json()["reason"] == "OtherKey"
    site.store.trouble = None
    site.store.device("till-7").is_approved = True
    assert (await device.enrol()).status == 208

    async def refuse_put(request: Any) -> Any:
        return await answering(409)(request) if request.method == "PUT" else None

    site.store.trouble = refuse_put
    assert (await device.register()).json()["reason"] == "OtherKey"


async def test_an_enrolled_device_waits_for_the_store(site: RemoteSite) -> None:
    device = site.device()
    site.store.trouble = answering(202, only="enrolment")  # any other success is "recorded"
    assert (await device.enrol()).status == 200
    assert (await device.register()).json()["reason"] == "NotApproved"
    assert (await device.enrol(public_key_fingerprint="x")).status == 400


async def test_a_store_with_too_many_applicants_is_no_outage(site: RemoteSite) -> None:
    device = await site.joined()
    site.store.trouble = answering(429, only="enrolment", Retry_After="60")

    for number in range(8):
        reply = await site.device(f"new-{number}").enrol()
        assert (reply.status, reply.json()["reason"]) == (429, "TooManyPendingRequests")
        assert reply.headers["Retry-After"] == "60"

    assert (await device.beat()).status == 200


async def test_a_device_renews_with_another_key_as_long_as_it_belongs(site: RemoteSite) -> None:
    device = await site.joined()
    device.key = new_key()
    assert (await device.register()).status == 200
    assert (await device.beat()).status == 200

    site.store.device("till-7").status = "unknown"
    device.key = new_key()
    refused = await device.register()
    assert (refused.status, refused.json()["reason"]) == (404, "UnknownDevice")
    site.store.device("till-7").status = "unregistered"
    refused = await device.register()
    assert (refused.status, refused.json()["reason"]) == (403, "DeviceLeaving")


async def test_a_store_that_lost_its_database_wipes_nobody(
    site: RemoteSite, caplog: pytest.LogCaptureFixture
) -> None:
    devices = [await site.joined(f"till-{number}") for number in range(3)]
    for device in devices:
        assert (await device.get("data")).status == 200

    site.store.devices.clear()
    site.store.version = 1

    async def is_unknown(device: Device) -> bool:
        return (await device.get("control")).status == 404

    for device in devices:
        site.store.note_change(device.device_id)
        await eventually(partial(is_unknown, device))
        reply = await device.get("data")
        assert (reply.status, reply.json()["reason"]) == (404, "UnknownDevice")
        assert (await device.beat()).status == 404
        told = f"does not know default/{device.device_id}, which has a valid certificate"
        assert caplog.text.count(told) == 1


async def test_a_store_that_says_a_fleet_is_to_go_is_held(
    site: RemoteSite, caplog: pytest.LogCaptureFixture
) -> None:
    devices = [await site.joined(f"till-{number}") for number in range(5)]

    for number in range(5):
        site.store.device(f"till-{number}").status = "unregistered"
        site.store.note_change(f"till-{number}")

    async def told() -> list[bool] | None:
        replies = [await device.get("control") for device in devices]
        assert {reply.status for reply in replies} == {200}
        found = [bool(reply.body) for reply in replies]
        return found if sum(found) == 2 else None

    granted = await eventually(told)

    async def are_held() -> bool:
        await told()
        return await site.metric("flotta_api_store_wipes_held") == 3

    await eventually(are_held)
    assert "raise REMOTE_BACKEND_WIPES_PER_HOUR" in caplog.text
    assert "[WipesHeld]" in caplog.text
    for device, is_granted in zip(devices, granted, strict=True):
        reason = (await device.get("data")).json()["reason"]
        assert reason == ("DeviceDecommissioned" if is_granted else "DeviceLeaving")
    assert (await eventually(told)) == granted  # the same devices
    held = devices[granted.index(False)]
    assert (await held.beat()).status == 200

    identities = [device.identity for device in devices]
    await site.restart()
    devices[:] = [site.device(f"till-{number}") for number in range(5)]
    for device, identity in zip(devices, identities, strict=True):
        await device.use(identity)
    assert (await eventually(told)) == granted  # still


async def test_what_was_said_of_old_tells_nobody_to_go(site: RemoteSite) -> None:
    device = await site.joined()
    site.store.device("till-7").status = "unregistered"
    site.store.note_change("till-7")

    async def is_leaving() -> bool:
        return (await device.get("data")).status == 403

    await eventually(is_leaving)
    await site.store.stop()

    async def is_kept() -> bool:
        return (await device.get("control")).body == b""

    await eventually(is_kept)


async def test_that_a_device_is_to_go_is_said_each_time(site: RemoteSite) -> None:
    device = await site.joined()
    if site.store.has_additions:
        await site.follow_feed()
    site.store.device("till-7").status = "unregistered"
    site.store.note_change("till-7")

    async def is_told() -> bool:
        return bool((await device.get("control")).body)

    await eventually(is_told)
    site.store.trouble = answering(500, only="registration")  # the feed goes on

    assert not await is_told()


async def test_that_a_device_has_gone_is_not_lost_in_an_outage(site: RemoteSite) -> None:
    device = await site.joined()
    identity = device.identity
    site.store.device("till-7").status = "unregistered"
    site.store.note_change("till-7")

    async def is_told() -> bool:
        return bool((await device.get("control")).body)

    await eventually(is_told)
    site.store.trouble = answering(502)
    event = {**data_message("", "disconnect"), "type": "event"}
    assert (await device.post("control", event)).status == 503  # so the gateway says it again
    site.store.trouble = None
    await site.restart()  # a server that does not know whom it told
    device = site.device()
    await device.use(identity)

    assert (await device.post("control", event)).status == 200

    assert len(site.store.of("PUT disconnect")) > 0
    assert site.store.device("till-7").has_left is site.store.has_additions


async def issue(site: RemoteSite, name: str, **specification: Any) -> Device:
    """Issue a registration batch in the directory; return a device with its certificate."""
    folder = site.certificates / name
    made = site.certificates / f".{name}"
    made.mkdir(0o700)
    (made / "batch").touch(0o600)
    (made / "batch").write_text(json.dumps(specification))
    made.rename(folder)
    await eventually(lambda: (folder / "client.key").exists())
    device = site.device()
    await device.use(
        CertificateAndKey(
            (folder / "client.crt").read_bytes(), (folder / "client.key").read_bytes()
        )
    )
    return device


async def test_a_batch_admits_as_with_any_store(site: RemoteSite) -> None:
    device = await issue(site, "shops", deviceIDs=["till-8"], namespaces=["shops", "plant"])
    site.store.device("till-7", "shops").is_approved = True
    assert (await device.enrol()).json()["reason"] == "DeviceIDNotAllowed"
    assert (await device.register()).json()["reason"] == "DeviceIDNotAllowed"
    device.device_id = "till-8"
    assert (await device.enrol(target_namespace="x")).json()["reason"] == "NamespaceNotAllowed"
    assert (await device.enrol(target_namespace="plant")).status == 200
    assert [seen.device for seen in site.store.of("POST enrolment")] == ["plant/till-8"]
    site.store.device("till-8", "plant").is_approved = True
    assert (await device.enrol(target_namespace="plant")).status == 208
    assert (await device.register()).status == 200


async def test_uses_that_nobody_counts_are_refused(site: RemoteSite) -> None:
    device = await issue(site, "ten", uses=10)

    refused = await device.enrol()

    assert refused.json()["reason"] == "RegistrationBatchUnsupported"
    assert "list the ids" in refused.json()["message"]
    site.store.device("till-7").is_approved = True
    assert (await device.register()).json()["reason"] == "RegistrationBatchUnsupported"
    assert not site.store.of("PUT registration")
    listed = await issue(site, "one", uses=1, deviceIDs=["till-7"])
    assert (await listed.enrol()).status == 208
