"""The code of each refusal of the Edge API, as a device receives it."""

from __future__ import annotations

from datetime import timedelta

import aiohttp
import pytest
from device_certificates import issue_device
from edge_site import BASE, Fleet, Reply

from flotta.identity.keys import new_key

pytestmark = pytest.mark.parametrize("engine_site", ["embedded"], indirect=True)


def refusal(reply: Reply) -> tuple[int, str]:
    return reply.status, reply.json()["reason"]


async def test_a_certificate_is_refused_by_its_period_and_its_class(fleet: Fleet) -> None:
    device = await fleet.joined()
    uid = (await fleet.get(device))["metadata"]["uid"]
    hour = timedelta(hours=1)
    for period, reason in (
        ({"end": -hour}, "CertificateExpired"),
        ({"begin": hour}, "CertificateNotYetValid"),
        ({"namespace": "Not A Namespace"}, "CertificateNotAccepted"),
    ):
        await device.use(issue_device(fleet.authority, device.device_id, uid, **period))
        assert refusal(await device.get("data")) == (401, reason)
    await device.close()


async def test_a_registration_certificate_does_little(fleet: Fleet) -> None:
    device = fleet.device()
    assert refusal(await device.get("data")) == (401, "RegistrationOnly")
    assert refusal(await device.beat()) == (403, "RegistrationOnly")
    for reserved in ("Not_A_Name", "register", "flotta-edge-api"):
        assert refusal(await device.send("enrolment", {}, reserved)) == (400, "InvalidDeviceId")
    assert refusal(await device.enrol(target_namespace="kube-system")) == (
        403,
        "NamespaceNotAllowed",
    )
    assert refusal(await device.register()) == (404, "NotEnrolled")
    await device.close()


async def test_a_registration_is_bound_to_a_key(fleet: Fleet) -> None:
    device = fleet.device()
    await device.enrol()
    assert refusal(await device.register()) == (404, "NotApproved")
    await fleet.approve(device.device_id)
    key, device.key = device.key, new_key()
    assert refusal(await device.register()) == (403, "OtherKey")
    device.key = key
    await device.register()
    thief = fleet.device(device.device_id)
    assert refusal(await thief.register()) == (403, "AlreadyRegistered")
    for client in (device, thief):
        await client.close()


async def test_a_message_is_refused_by_what_is_wrong_with_it(fleet: Fleet) -> None:
    device = await fleet.joined()
    bad_csr = {"certificate_request": "-----BEGIN CERTIFICATE REQUEST-----\nx\n"}
    assert refusal(await device.post("data", b"no json")) == (400, "InvalidMessage")
    assert refusal(await device.send("dance", {})) == (400, "UnknownDirective")
    assert refusal(await device.send("registration", bad_csr)) == (400, "InvalidCertificateRequest")
    assert refusal(await device.get("elsewhere")) == (404, "UnknownPath")
    assert refusal(await device.get("control", Accept="text/html")) == (406, "NotAcceptable")
    await device.close()


async def test_a_body_of_another_type_is_refused(fleet: Fleet) -> None:
    device = await fleet.joined()
    url = f"https://127.0.0.1:{fleet.site.port}{BASE}/data/{device.device_id}/out"
    connector = aiohttp.TCPConnector(ssl=device.tls_context())
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.post(url, data=b"<message/>", headers={"Content-Type": "text/xml"}) as response,
    ):
        found = response.status, (await response.json())["reason"]
    assert found == (415, "UnsupportedMediaType")
    await device.close()
