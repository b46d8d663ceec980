"""What the Edge API knows of a quarantine before and after its watch reports it."""

from __future__ import annotations

import asyncio
import time
from base64 import b64encode
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from edge_api_store import Object, Store, running
from fleet_objects import device

from flotta.edge_api.backends.backend import Membership
from flotta.edge_api.backends.crd.backend import CrdBackend
from flotta.edge_api.backends.crd.removals import Removals
from flotta.edge_api.refusals import Refusal
from flotta.identity.holder import Peer
from flotta.protocol.models import EnrolmentInfo, RegistrationInfo
from flotta.resources.kinds import EDGE_DEVICE, SECRET, SIGNED_REQUEST
from waiting import eventually

pytestmark = pytest.mark.looptime(start=time.monotonic)  # the fixtures had real time
NOW = datetime(2026, 1, 10, 9, 0, tzinfo=UTC)
PEER = Peer("device", "d-17", "default", ("default",), "u-1", "", "", NOW, NOW)
LATER = datetime(2100, 1, 10, 9, 0, tzinfo=UTC)
CERTIFICATE = "ab" * 32  # fingerprint
STRANGER = Peer("registration", "", "", ("default",), None, CERTIFICATE, "", NOW, LATER)


def quarantined(namespace: str = "default") -> Object:
    obj = device({"quarantine": {"pods": "Keep"}})
    obj["metadata"]["namespace"] = namespace
    return obj


@pytest.fixture
def store() -> Store:
    store = Store()
    store.put(EDGE_DEVICE, device())
    request = {"targetNamespace": "default", "approved": True}
    named = {"name": "d-17", "namespace": "default"}
    store.put(SIGNED_REQUEST, {"metadata": named, "spec": request})
    batch = {
        "name": "batch",
        "namespace": "flotta",
        "uid": "u-2",
        "labels": {"reg-client-ca": "true"},
    }
    data = {"formerCertificates": b64encode(CERTIFICATE.encode()).decode()}
    store.put(SECRET, {"metadata": batch, "data": data})
    return store


@pytest.fixture
async def backend(store: Store) -> AsyncIterator[CrdBackend]:
    async with running(store) as backend:
        yield backend


@pytest.mark.parametrize("peer", [PEER, STRANGER], ids=["its own certificate", "registration"])
async def test_no_certificate_is_issued_although_the_watch_tells_nothing_yet(
    store: Store, backend: CrdBackend, peer: Peer
) -> None:
    store.hold(EDGE_DEVICE)
    store.put(EDGE_DEVICE, quarantined())
    patches = store.patches

    with pytest.raises(Refusal) as caught:
        await backend.register(peer, "d-17", RegistrationInfo(), "another key")

    assert caught.value.reason == "DeviceQuarantined"
    assert store.patches == patches


async def test_a_registration_certificate_does_not_enrol_its_id_in_another_namespace(
    store: Store, backend: CrdBackend
) -> None:
    closed: list[str] = []
    backend.on_shut_out(lambda namespace, _: closed.append(namespace))
    store.put(EDGE_DEVICE, quarantined("plant"))
    await eventually(lambda: closed == ["plant"])  # the watch has told it
    store.objects[EDGE_DEVICE].clear()  # none has this name in the namespace that it asks for
    store.objects[SIGNED_REQUEST].clear()
    info = EnrolmentInfo(target_namespace="default", public_key_fingerprint="cd" * 32)

    with pytest.raises(Refusal) as caught:
        await backend.enrol(replace(STRANGER, namespaces=("default", "plant")), "d-17", info, None)

    assert caught.value.reason == "DeviceQuarantined"


async def refused(backend: CrdBackend, peer: Peer) -> bool:
    try:
        await backend.membership(peer)
    except Refusal as refusal:
        return refusal.reason == "DeviceQuarantined"
    return False


async def test_what_the_device_keeps_open_is_closed_once_and_what_it_waits_for_ends(
    store: Store, backend: CrdBackend
) -> None:
    closed: list[tuple[str, str]] = []
    backend.on_shut_out(lambda *device: closed.append(device))
    waiting = asyncio.create_task(backend.wait_for_change(PEER, 3600))
    await asyncio.sleep(0)

    store.put(EDGE_DEVICE, quarantined())
    await waiting
    assert await refused(backend, PEER)
    store.put(EDGE_DEVICE, {**quarantined(), "status": {"phase": "up"}})
    store.put(EDGE_DEVICE, device())

    async def is_member() -> bool:
        return not await refused(backend, PEER)

    await eventually(is_member)
    assert closed == [("default", "d-17")]
    assert await backend.membership(PEER) is Membership.ACTIVE


async def test_a_quarantined_device_that_is_being_deleted_stays_shut_out(
    store: Store, backend: CrdBackend
) -> None:
    obj = quarantined()
    obj["metadata"]["deletionTimestamp"] = "2026-01-10T09:00:00Z"
    store.put(EDGE_DEVICE, obj)

    await eventually(lambda: refused(backend, PEER))


async def test_another_device_of_its_name_is_a_stranger_as_before(
    store: Store, backend: CrdBackend
) -> None:
    store.put(EDGE_DEVICE, quarantined())
    await eventually(lambda: refused(backend, PEER))

    assert await backend.membership(replace(PEER, uid="u-0")) is Membership.REVOKED


async def test_a_configuration_that_is_being_prepared_is_not_delivered_any_more(
    store: Store, backend: CrdBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[str] = []
    backend.on_shut_out(lambda *_: closed.append("d-17"))

    async def find_ending(*_: object) -> str:
        store.put(EDGE_DEVICE, quarantined())
        await eventually(lambda: closed)
        return ""

    monkeypatch.setattr(Removals, "find_ending", find_ending)

    with pytest.raises(Refusal) as caught:
        await backend.get_configuration(PEER)

    assert caught.value.reason == "DeviceQuarantined"
