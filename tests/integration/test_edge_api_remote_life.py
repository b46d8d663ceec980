"""Devices join, run and leave with a remote data store, of v0.2 and of today."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_der_x509_certificate
from edge_site import Device, Reply, data_message
from remote_site import RemoteSite, remote_site

from flotta.identity.keys import public_key_fingerprint
from flotta.identity.lifetime import covered_names, load_certificate
from flotta.identity.peers import identify_peer
from waiting import eventually


async def configured(device: Device) -> Reply | None:
    reply = await device.get("data")
    return reply if reply.status == 200 else None


async def commanded(device: Device) -> Reply | None:
    reply = await device.get("control")
    return reply if reply.body else None


async def refused(device: Device) -> bool:
    return (await device.get("data")).status == 403


DISCONNECTED = {**data_message("", "disconnect"), "type": "event"}


@pytest_asyncio.fixture(params=[False, True], ids=["v0.2", "additions"])
async def site(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[RemoteSite]:
    settings = {"REGISTRATION_NAMESPACES": "default,plant-7"}
    async with remote_site(tmp_path, has_additions=request.param, **settings) as started:
        await started.store.start(started.store_context())
        yield started


async def test_the_certificate_of_the_store_is_known_when_it_has_answered(
    site: RemoteSite,
) -> None:
    await site.joined()
    seen = site.server._backend.store_certificate
    assert seen
    assert seen.address.startswith("https://127.0.0.1:")
    names = covered_names(load_der_x509_certificate(seen.der).public_bytes(Encoding.PEM))
    assert names == {"localhost", "127.0.0.1"}


async def test_a_device_joins_runs_and_leaves(site: RemoteSite) -> None:
    store, device = site.store, site.device()
    assert (await device.enrol()).status == 200
    assert (await device.register()).json()["reason"] == "NotApproved"
    store.device("till-7").is_approved = True
    assert (await device.enrol()).status == 208
    assert (await device.register(hostname="till-7")).status == 200

    assert (await device.get("data")).status == 404  # no configuration yet
    store.configure("till-7", version="41", workloads=[{"name": "shop"}])
    reply = await eventually(lambda: configured(device))
    content = reply.json()["content"]
    assert (content["version"], content["device_id"]) == ("41", "till-7")
    known = reply.headers["ETag"]
    assert (await device.get("data", If_None_Match=known)).status == 304
    wanted = await device.beat(agent_version="3")
    assert wanted.headers.get("Flotta-Wanted") == ("hardware" if store.has_additions else None)
    assert store.device("till-7").heartbeats == [{"status": "up", "agent_version": "3"}]
    assert (await device.post("control", DISCONNECTED)).status == 200
    assert not store.of("PUT disconnect")  # it was not told to go

    store.device("till-7").status = "unregistered"
    store.note_change("till-7")
    command = await eventually(lambda: commanded(device))
    assert command.json()["content"]["command"] == "disconnect"
    assert (await device.get("data")).json()["reason"] == "DeviceDecommissioned"
    assert (await device.post("control", DISCONNECTED)).status == 200
    assert store.device("till-7").has_left is store.has_additions


async def test_the_store_learns_who_asks(site: RemoteSite) -> None:
    site.store.device("till-7").uid = uid = str(uuid.uuid4())
    device = await site.joined()
    await device.beat()
    (enrolment,), (registration,) = (
        site.store.of(operation) for operation in ("POST enrolment", "PUT registration")
    )
    (heartbeat,) = site.store.of("PUT heartbeat")

    key = public_key_fingerprint(device.key.public_key())
    assert enrolment.headers["Flotta-Peer"] == registration.headers["Flotta-Peer"] == "registration"
    assert enrolment.headers["Flotta-Registration-Batch"].startswith("reg-client-ca-")
    assert enrolment.content["public_key_fingerprint"] == key
    assert registration.headers["Flotta-Public-Key-Fingerprint"] == key
    assert registration.content["certificate_request"].startswith("-----BEGIN CERTIFICATE REQ")
    assert heartbeat.headers["Flotta-Peer"] == "device"
    assert uuid.UUID(heartbeat.headers["Flotta-Message-ID"])
    expected = uid if site.store.has_additions else None
    assert heartbeat.headers.get("Flotta-Device-UID") == expected


async def test_the_certificate_has_the_namespace_and_uid_of_the_store(site: RemoteSite) -> None:
    known = site.store.device("till-7")
    known.namespace, known.uid = "plant-7", "8d3c1b5e-0000-4000-8000-000000000001"

    device = await site.joined()

    assert device.identity is not None
    peer = identify_peer(load_certificate(device.identity.certificate))
    assert peer.namespace == "plant-7"
    by_name = str(uuid.uuid5(uuid.NAMESPACE_URL, "plant-7/till-7"))
    assert peer.uid == (known.uid if site.store.has_additions else by_name)


async def test_another_device_of_the_name_shuts_the_former_one_out(site: RemoteSite) -> None:
    site.store.device("till-7").uid = str(uuid.uuid4())
    device = await site.joined()

    site.store.device("till-7").uid = str(uuid.uuid4())
    site.store.note_change("till-7")

    if not site.store.has_additions:
        assert (await device.get("data")).status == 200
        return
    await eventually(lambda: refused(device))
    assert (await device.get("data")).json()["reason"] == "UnknownDevice"
    assert (await device.register()).status == 403
