"""Who is refused by the Edge API, and how."""

from __future__ import annotations

import asyncio
import json
import time
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from device_certificates import issue_device
from edge_site import Device, Fleet, Site, data_message

from flotta.identity.authority import Authority, CertificateAndKey
from flotta.identity.keys import key_to_pem, new_key
from flotta.identity.requests import certificate_request
from flotta.identity.ssl_contexts import client_context
from flotta.resources.kinds import EDGE_DEVICE, SECRET
from waiting import eventually

pytestmark = pytest.mark.parametrize("engine_site", ["embedded"], indirect=True)


async def refused(device: Device) -> bool:
    """Tell whether the connection is closed without a response."""
    try:
        await device.get("control")
    except aiohttp.ClientError:
        return True
    finally:
        await device.close()
    return False


async def logged(site: Site, text: str) -> bool:
    return text in (site.directory / "edge-api.log").read_text()


async def test_certificates_from_elsewhere_do_not_get_past_tls(fleet: Fleet) -> None:
    device = await fleet.joined()
    own = await fleet.get(device)
    uid, name = own["metadata"]["uid"], device.device_id
    other = issue_device(Authority.create("flotta-ca"), name, uid)
    self_made = Authority.create(name)
    genuine = device.identity
    assert genuine is not None
    as_issuer = x509.load_pem_x509_certificate(genuine.certificate)
    child_key = new_key()
    child = (
        x509.CertificateBuilder()
        .issuer_name(as_issuer.subject)
        .subject_name(as_issuer.subject)
        .public_key(child_key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(hours=1))
        .not_valid_after(datetime.now(UTC) + timedelta(hours=1))
        .sign(device.key, hashes.SHA256())
    )
    chain = child.public_bytes(serialization.Encoding.PEM) + genuine.certificate

    assert await refused(fleet.stranger(name, other))
    assert await refused(
        fleet.stranger(name, CertificateAndKey(self_made.certificate_pem, self_made.key_pem))
    )
    assert await refused(fleet.stranger(name, CertificateAndKey(chain, key_to_pem(child_key))))
    assert await refused(fleet.stranger(name, None))
    assert not await refused(fleet.stranger(name, genuine))
    await eventually(lambda: logged(fleet.site, "TLS handshake with 127.0.0.1 port"))
    await eventually(lambda: logged(fleet.site, "peer did not return a certificate"))
    await device.close()


async def test_a_server_certificate_is_not_a_device(fleet: Fleet) -> None:
    issued = fleet.authority.issue_server(["127.0.0.1"])
    stranger = fleet.stranger("d-1", issued)
    with pytest.raises(aiohttp.ClientError):  # TLS itself asks for clientAuth
        await stranger.get("control")
    await stranger.close()


async def test_an_expired_device_may_register_again_and_nothing_else(fleet: Fleet) -> None:
    device = await fleet.joined()
    uid = (await fleet.get(device))["metadata"]["uid"]
    await device.use(issue_device(fleet.authority, device.device_id, uid, end=-timedelta(hours=1)))

    assert (await device.get("control")).status == 401
    assert (await device.get("data")).status == 401
    assert (await device.post("control", data_message("", None))).status == 401
    assert (await device.beat()).status == 401
    assert (await device.enrol()).status == 401
    assert (await device.send("ansible", None)).status == 401

    assert (await device.register()).status == 200
    assert (await device.get("data")).status == 200
    await device.close()


async def test_a_certificate_expires_during_a_kept_connection(fleet: Fleet) -> None:
    device = await fleet.joined()
    uid = (await fleet.get(device))["metadata"]["uid"]
    for seconds in (3, 8, 20):  # more, should it expire before it was used
        end = time.monotonic() + seconds
        issued = issue_device(
            fleet.authority, device.device_id, uid, end=timedelta(seconds=seconds)
        )
        await device.use(issued)
        first = await device.get("data")
        if first.status == 200:
            break
    etag = first.headers["ETag"]

    wish = f"wait={seconds + 1}"
    held = asyncio.create_task(device.get("data", If_None_Match=etag, Prefer=wish))

    async def has_expired() -> bool:
        return (await device.beat()).status == 401

    await eventually(has_expired)
    assert time.monotonic() > end - 1  # its end has no fractions
    assert (await held).status == 401
    await device.close()


async def test_the_registration_certificate_enrols_and_registers_only(fleet: Fleet) -> None:
    device = fleet.device()

    assert (await device.get("control")).status == 401
    assert (await device.get("data")).status == 401
    assert (await device.post("control", data_message("", None))).status == 401
    assert (await device.beat()).status == 403
    assert (await device.send("heartbeat", {}, "register")).status == 400
    assert (await device.send("enrolment", {}, "Not_A_Name")).status == 400
    await device.close()


async def test_a_registered_device_is_not_taken_over(fleet: Fleet) -> None:
    device = await fleet.joined()
    thief = fleet.device(device.device_id)
    other = await fleet.joined()
    csr = certificate_request(thief.key, device.device_id).decode()

    refusal = await thief.register()
    foreign = await other.send("registration", {"certificate_request": csr}, device.device_id)

    assert refusal.status == 403
    assert refusal.json()["message"].startswith("the device is registered")
    assert foreign.status == 403
    for client in (device, thief, other):
        await client.close()


async def test_the_same_key_may_repeat_a_registration_whose_answer_was_lost(fleet: Fleet) -> None:
    device = await fleet.joined()
    await device.use(fleet.registration)

    assert (await device.register()).status == 200
    await device.close()


async def test_only_the_key_that_enrolled_can_register(fleet: Fleet) -> None:
    device = fleet.device()
    await device.enrol()
    await fleet.approve(device.device_id)
    await _assert_key_was_noted(fleet, device)
    device.key = new_key()

    assert (await device.register()).status == 403
    await device.close()


async def _assert_key_was_noted(fleet: Fleet, device: Device) -> None:
    request = await fleet.request(device)
    assert request is not None
    assert "management.project-flotta.io/key-fingerprint" in request["metadata"]["annotations"]


async def test_other_devices_are_not_a_devices_business(fleet: Fleet) -> None:
    device, other = await fleet.joined(), await fleet.joined()

    assert (await device.get("control", other.device_id)).status == 403
    assert (await device.get("data", other.device_id)).status == 403
    assert (await device.send("heartbeat", {}, other.device_id)).status == 403
    assert (await device.send("enrolment", {}, other.device_id)).status == 403
    event = {"type": "event", "content": "disconnect"}
    assert (await device.post("control", event, other.device_id)).status == 403
    for client in (device, other):
        await client.close()


async def test_a_deleted_device_stays_revoked_when_another_takes_its_name(fleet: Fleet) -> None:
    device = await fleet.joined()
    await fleet.client.delete(EDGE_DEVICE, device.device_id, "default")
    await fleet.approve(device.device_id)

    async def is_revoked() -> bool:
        return (await device.get("data")).status == 403

    await eventually(is_revoked)
    assert (await device.beat()).status == 403
    assert (await device.enrol()).status == 403
    assert (await device.register()).status == 403
    refusal = await device.get("control")
    assert (refusal.status, refusal.json()["reason"]) == (403, "UnknownDevice")
    await device.close()


async def test_the_device_does_not_choose_a_namespace_its_certificate_does_not_name(
    fleet: Fleet,
) -> None:
    refusal = await fleet.device().enrol(target_namespace="kube-system")

    assert refusal.status == 403
    assert "kube-system" in refusal.json()["message"]


async def test_malformed_requests_get_the_framework_errors(fleet: Fleet) -> None:
    device = await fleet.joined()
    bad_csr = {"certificate_request": "-----BEGIN CERTIFICATE REQUEST-----\nx\n"}
    deep = b'{"type":"data","content":' + b"[" * 5000 + b"]" * 5000 + b"}"

    assert _error(await device.post("data", b"")) == (422, 602)
    assert _error(await device.post("data", {"type": "chatter"})) == (422, 606)
    assert _error(await device.post("data", b"no json")) == (400, 400)
    assert _error(await device.post("data", deep)) == (400, 400)
    assert _error(await device.post("data", {"type": "data", "sent": "yesterday"})) == (400, 400)
    assert _error(await device.send("dance", {})) == (400, 400)
    assert _error(await device.send("heartbeat", [])) == (400, 400)
    assert _error(await device.send("registration", bad_csr)) == (400, 400)
    assert _error(await device.post("data", b"x" * (3 * 1024 * 1024))) == (413, 413)
    assert _error(await device.get("elsewhere")) == (404, 404)
    assert _error(await device.get("control", Accept="text/html")) == (406, 406)
    assert (await device.send("heartbeat", None)).status == 200
    await device.close()


@pytest.mark.parametrize("number", ["9" * 26, str(2**63), "9" * 5000, "1e400", "NaN", "-Infinity"])
async def test_a_number_that_cannot_be_stored_does_not_stop_a_heartbeat(
    fleet: Fleet, number: str
) -> None:
    device = await fleet.joined()
    hardware = f"""{{"hostname": "till", "cpu": {{"count": {number}, "model_name": "M"}},
        "memory": {{"physical_bytes": {number}}}, "interfaces": [{{"name": "e", "mtu": {number}}}],
        "disks": [{{"name": "sda", "io_perf": {{"sync_duration": {number}}}}}]}}"""
    text = json.dumps(data_message("heartbeat", {"status": "up", "hardware": "HARDWARE"}))

    reply = await device.post("data", text.replace('"HARDWARE"', hardware).encode())

    assert reply.status == 200, reply.body
    stored = (await fleet.get(device))["status"]["hardware"]
    assert stored["cpu"] == {"modelName": "M", "flags": []}
    assert stored["interfaces"] == [{"name": "e", "flags": []}]
    assert not stored.get("memory")
    await device.close()


def _error(reply: object) -> tuple[int, int]:
    return reply.status, reply.json()["code"]  # type: ignore[attr-defined]


async def test_a_changed_server_certificate_is_used_at_once(fleet: Fleet) -> None:
    names = ["localhost", "127.0.0.1", "::1", "project-flotta.io", "new.example"]
    issued = fleet.authority.issue_server(names)
    data = {
        "server.crt": b64encode(issued.certificate).decode(),
        "server.key": b64encode(issued.key).decode(),
    }
    await fleet.client.merge_patch(SECRET, "flotta-host-certificate", "flotta", {"data": data})

    async def served() -> bool:
        context = client_context(fleet.authority.certificate_pem)
        context.load_cert_chain(*_files(fleet.site.directory, fleet.registration))
        _, writer = await asyncio.open_connection("127.0.0.1", fleet.site.port, ssl=context)
        found = writer.get_extra_info("ssl_object").getpeercert()["subjectAltName"]
        writer.close()
        return ("DNS", "new.example") in found

    await eventually(served)


def _files(directory: Path, issued: CertificateAndKey) -> tuple[Path, Path]:
    certificate, key = directory / "reg.crt", directory / "reg.key"
    certificate.write_bytes(issued.certificate)
    key.write_bytes(issued.key)
    return certificate, key


async def test_metrics_count_what_happened(fleet: Fleet) -> None:
    device = await fleet.joined()
    await device.beat()
    url = f"http://127.0.0.1:{fleet.site.monitoring_port}"
    async with aiohttp.ClientSession() as session:

        async def metrics() -> str:
            async with session.get(url + "/metrics") as response:
                return await response.text()

        labels = f'deviceID="{device.device_id}",deviceNamespace="default"'
        series = f"flotta_api_edge_devices_heartbeat{{{labels}}}"
        assert f"{series} 1.0" in await metrics()
        assert "flotta_api_edge_devices_successful_registration " in await metrics()

        await fleet.client.delete(EDGE_DEVICE, device.device_id, "default")
        await eventually(lambda: _absent(metrics(), series))
    await device.close()


async def _absent(text: object, part: str) -> bool:
    return part not in await text  # type: ignore[misc]
