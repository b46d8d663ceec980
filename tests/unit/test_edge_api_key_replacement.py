"""Devices that come back with another key, as their batch allows or not."""

from __future__ import annotations

import asyncio
import copy
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from edge_api_store import Store, running
from joining_device import (
    AUTOMATIC,
    KEY,
    LATER,
    OTHERS,
    OURS,
    OWN,
    SECOND,
    approve,
    batch,
    enrol,
    holder,
    noted,
    register,
)

from flotta.edge_api.backends.backend import Membership
from flotta.edge_api.backends.crd.backend import CrdBackend
from flotta.edge_api.refusals import Refusal
from flotta.fleet.tombstones import Tombstone, make_tombstone
from flotta.identity.authority import CLOCK_SKEW
from flotta.identity.holder import Peer
from flotta.protocol.console_code import console_code
from flotta.protocol.hardware import HardwareInfo, SystemVendor
from flotta.protocol.models import EnrolmentInfo, Features, RegistrationInfo
from flotta.resources.kinds import CONFIG_MAP, EDGE_DEVICE, SECRET, SIGNED_REQUEST
from waiting import eventually

pytestmark = pytest.mark.looptime(start=time.monotonic)  # the fixtures had real time
RULE: dict[str, Any] = {"uses": 1, "approval": AUTOMATIC, "allowKeyReplacement": True}
THIRD, FOURTH = "12" * 32, "34" * 32


@pytest.fixture
def store() -> Store:
    """Return a store with a batch that lets keys be replaced, and one that does not."""
    store = Store()
    store.put(SECRET, batch("sticks", OWN, **RULE))
    store.put(SECRET, batch("cheap", OTHERS))
    return store


@pytest.fixture
async def backend(store: Store) -> AsyncIterator[CrdBackend]:
    async with running(store) as backend:
        yield backend


async def join(
    store: Store,
    backend: CrdBackend,
    certificate: str = OWN,
    key: str = KEY,
    by: str = "an administrator",
    **said: Any,
) -> None:
    assert await enrol(backend, certificate, key, **said) == "waits"
    approve(store, by)
    assert await register(backend, certificate, key) == "joined"
    found = copy.deepcopy(store.device())
    found["metadata"]["labels"].pop("edgedeviceSignedRequest", None)
    store.put(EDGE_DEVICE, found)


async def comes_back(backend: CrdBackend, key: str, **said: Any) -> None:
    """Enrol with another key, once the watch has told of the use."""

    async def look() -> bool:
        return await enrol(backend, OWN, key, **said) == "may register"

    await eventually(look)


def device_peer(key: str, issued: datetime | None = None) -> Peer:
    """Return the holder of a certificate that was issued now or at that time."""
    start = (issued or datetime.now(UTC)).replace(microsecond=0) - CLOCK_SKEW
    return Peer("device", "d-17", "default", ("default",), "u-1", "", key, start, LATER)


def change(store: Store, **fields: Any) -> None:
    """Change the EdgeDevice."""
    found = copy.deepcopy(store.device())
    for name, value in fields.items():
        found[name] = {**found.get(name, {}), **value}
    store.put(EDGE_DEVICE, found)


async def is_refused(backend: CrdBackend, former: Peer) -> bool:
    try:
        await backend.membership(former)
    except Refusal as refusal:
        return (refusal.status, refusal.reason) == (403, "OtherKey")
    return False


async def test_another_key_takes_the_place_of_the_first_and_no_further_use(
    store: Store, backend: CrdBackend
) -> None:
    await join(store, backend)
    decision = store.objects[SIGNED_REQUEST]["d-17"]["status"]

    await comes_back(backend, SECOND)
    assert await register(backend, OWN, SECOND) == "joined"

    assert noted(store)["key-fingerprint"] == SECOND
    assert noted(store)["console-code"] == console_code(SECOND)
    assert store.objects[SIGNED_REQUEST]["d-17"]["status"] == decision
    annotations = store.device()["metadata"]["annotations"]
    assert annotations[f"{OURS}/key-fingerprint"] == SECOND
    uses = [item["data"] for item in store.objects[CONFIG_MAP].values()]
    assert [(use["deviceID"], use["keyFingerprint"]) for use in uses] == [("d-17", SECOND)]
    assert store.events == ["EdgeDevice KeyReplaced"]


async def test_a_response_that_was_lost_is_repeated_without_another_event(
    store: Store, backend: CrdBackend
) -> None:
    await join(store, backend)
    await comes_back(backend, SECOND)
    for _ in range(2):
        assert await register(backend, OWN, SECOND) == "joined"
    assert store.events == ["EdgeDevice KeyReplaced"]


async def test_certificates_from_before_are_refused_and_renewals_are_not(
    store: Store, backend: CrdBackend
) -> None:
    await join(store, backend)
    now = datetime.now(UTC)
    former = device_peer(KEY, now - timedelta(hours=1))
    assert await backend.membership(former) is Membership.ACTIVE
    await comes_back(backend, SECOND)
    await register(backend, OWN, SECOND)

    await eventually(lambda: is_refused(backend, former))
    with pytest.raises(Refusal, match="with another key"):
        await backend.register(former, "d-17", RegistrationInfo(), FOURTH)
    assert await backend.membership(device_peer(SECOND, now - timedelta(days=1))) is not None
    later = device_peer(FOURTH, now + timedelta(minutes=6))  # as after a restore of the store
    assert await backend.membership(later) is Membership.ACTIVE


@pytest.mark.parametrize("seconds", [0, 1, 299])
async def test_a_certificate_that_was_signed_at_the_time_of_the_replacement_is_refused(
    store: Store, backend: CrdBackend, seconds: int
) -> None:
    """The key was recorded before; clocks of two replicas may differ, and one may be slow."""
    await join(store, backend)
    await backend.register(device_peer(KEY), "d-17", RegistrationInfo(), FOURTH)
    await comes_back(backend, SECOND)
    await register(backend, OWN, SECOND)
    now = datetime.now(UTC)
    await eventually(lambda: is_refused(backend, device_peer(FOURTH, now)))
    for key in (KEY, FOURTH):
        former = device_peer(key, now + timedelta(seconds=seconds))
        assert await is_refused(backend, former)
        with pytest.raises(Refusal, match="with another key"):
            await backend.register(former, "d-17", RegistrationInfo(), THIRD)


async def test_the_present_device_renews_as_often_as_it_has_to(
    store: Store, backend: CrdBackend
) -> None:
    """It keeps the certificate that it has until it got the next; a response may be lost."""
    await join(store, backend)
    await comes_back(backend, SECOND)
    await register(backend, OWN, SECOND)
    for key, lost, following in ((SECOND, "56" * 32, THIRD), (THIRD, "78" * 32, FOURTH)):
        for new in (lost, following):
            await backend.register(device_peer(key), "d-17", RegistrationInfo(), new)
            assert await backend.membership(device_peer(key)) is Membership.ACTIVE
        assert await backend.membership(device_peer(following)) is Membership.ACTIVE
    # A further replacement ends them all.
    await comes_back(backend, KEY)
    await register(backend, OWN, KEY)
    for key in (THIRD, FOURTH):
        await eventually(lambda key=key: is_refused(backend, device_peer(key)))  # type: ignore[misc]


async def test_a_replica_that_learns_late_of_a_renewal_asks(
    store: Store, backend: CrdBackend
) -> None:
    await join(store, backend)
    await comes_back(backend, SECOND)
    await register(backend, OWN, SECOND)
    await eventually(lambda: is_refused(backend, device_peer(KEY)))
    store.hold(EDGE_DEVICE)
    await backend.register(device_peer(SECOND), "d-17", RegistrationInfo(), THIRD)
    assert await backend.membership(device_peer(THIRD)) is Membership.ACTIVE


async def test_a_held_request_of_the_former_key_is_answered_at_once(
    store: Store, backend: CrdBackend
) -> None:
    await join(store, backend)
    await comes_back(backend, SECOND)
    former = device_peer(KEY)
    held = asyncio.create_task(backend.wait_for_change(former, 3600))
    await asyncio.sleep(0)  # it waits
    await register(backend, OWN, SECOND)
    async with asyncio.timeout(600):
        await held
    assert await is_refused(backend, former)


async def test_a_former_key_is_no_device_that_is_decommissioned(
    store: Store, backend: CrdBackend
) -> None:
    await join(store, backend)
    await comes_back(backend, SECOND)
    await register(backend, OWN, SECOND)
    former, present = device_peer(KEY), device_peer(SECOND)
    change(store, metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"})
    stone = Tombstone.of(store.device(), "granted", datetime.now(UTC))
    store.put(CONFIG_MAP, make_tombstone(stone, "flotta"))

    async def is_told() -> bool:
        return await backend.membership(present) is Membership.DECOMMISSIONED

    await eventually(is_told)
    assert await is_refused(backend, former)
    await backend.record_disconnect(former)
    assert "status" not in store.device()
    await backend.record_disconnect(present)
    assert store.device()["status"]["conditions"][0]["reason"] == "Acknowledged"

    store.remove(EDGE_DEVICE, "d-17")
    await eventually(is_told)

    async def is_unknown() -> bool:
        return await backend.membership(former) is Membership.ABSENT

    await eventually(is_unknown, tolerate=Refusal)


async def test_a_device_that_waits_gets_the_approval_with_its_next_key(
    store: Store, backend: CrdBackend
) -> None:
    assert await enrol(backend, OWN) == "waits"
    assert await enrol(backend, OWN, SECOND) == "waits"
    assert "approval" in noted(store)
    assert noted(store)["key-fingerprint"] == SECOND
    # Its next enrolment finds its own use.
    assert await enrol(backend, OWN, SECOND) == "waits"
    assert "approval" in noted(store)
    approve(store, "registration batch sticks")
    assert await enrol(backend, OWN, THIRD) == "may register"
    assert await register(backend, OWN, SECOND) == "OtherKey"
    assert await register(backend, OWN, THIRD) == "joined"
    assert store.events == []


async def test_a_key_that_has_not_enrolled_replaces_none(store: Store, backend: CrdBackend) -> None:
    await join(store, backend)
    assert await register(backend, OWN, SECOND) == "AlreadyRegistered"


async def test_a_device_of_another_batch_keeps_its_key(store: Store, backend: CrdBackend) -> None:
    await join(store, backend, OTHERS)
    assert await enrol(backend, OWN, SECOND) == "OtherKey"
    assert await register(backend, OWN, SECOND) == "AlreadyRegistered"


async def test_without_the_option_the_refusal_names_it(store: Store, backend: CrdBackend) -> None:
    await join(store, backend, OTHERS)
    info = EnrolmentInfo(public_key_fingerprint=SECOND)
    peer = Peer("registration", "", "default", ("default",), None, OTHERS, "", LATER, LATER)
    with pytest.raises(Refusal, match="allowKeyReplacement") as caught:
        await backend.enrol(peer, "d-17", info, None)
    assert caught.value.reason == "OtherKey"


async def test_a_batch_that_was_created_again_under_the_name_replaces_nothing(
    store: Store, backend: CrdBackend
) -> None:
    await join(store, backend)
    store.remove(SECRET, "sticks")
    store.put(SECRET, batch("sticks", THIRD, **{**RULE, "uses": 5}))

    async def is_known() -> bool:
        return await enrol(backend, THIRD, SECOND) == "OtherKey"

    await eventually(is_known)
    assert await register(backend, THIRD, SECOND) == "AlreadyRegistered"


async def test_an_ended_batch_replaces_nothing(store: Store, backend: CrdBackend) -> None:
    await join(store, backend)
    ended = {"expires": "2026-01-01T00:00:00Z"}, {"revoked": {"at": "2026-01-01T00:00:00Z"}}
    for end, reason in zip(ended, ("CertificateExpired", "RegistrationRevoked"), strict=True):
        store.put(SECRET, batch("sticks", OWN, **RULE, **end))
        assert await enrol(backend, OWN, SECOND) == reason
        assert await register(backend, OWN, SECOND) == reason


async def test_a_declined_device_keeps_its_key(store: Store, backend: CrdBackend) -> None:
    assert await enrol(backend, OWN) == "waits"
    found = copy.deepcopy(store.objects[SIGNED_REQUEST]["d-17"])
    found["metadata"]["annotations"][f"{OURS}/declined"] = "true"
    store.put(SIGNED_REQUEST, found)
    assert await enrol(backend, OWN, SECOND) == "OtherKey"


async def test_a_device_that_leaves_keeps_its_key(store: Store, backend: CrdBackend) -> None:
    await join(store, backend)
    change(store, metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"})
    assert await enrol(backend, OWN, SECOND) == "OtherKey"
    assert await register(backend, OWN, SECOND) == "DeviceLeaving"


async def test_a_quarantined_device_keeps_its_key(store: Store, backend: CrdBackend) -> None:
    await join(store, backend)
    change(store, spec={"quarantine": {"pods": "Stop"}})
    assert await enrol(backend, OWN, SECOND) == "DeviceQuarantined"
    assert await register(backend, OWN, SECOND) == "DeviceQuarantined"


async def test_an_adopted_device_keeps_its_key(store: Store, backend: CrdBackend) -> None:
    await join(store, backend)
    former = {f"{OURS}/former-uid": "u-0", f"{OURS}/former-key-fingerprint": KEY}
    annotations = {**store.device()["metadata"]["annotations"], **former}
    change(store, metadata={"annotations": annotations})
    assert await enrol(backend, OWN, SECOND) == "OtherKey"


@pytest.mark.parametrize("left", ["key-fingerprint", "registration-certificate"])
async def test_a_device_of_an_earlier_release_keeps_its_key(
    store: Store, backend: CrdBackend, left: str
) -> None:
    """Requests of releases before batches name the certificate alone, those of v0.2 no key."""
    await join(store, backend)
    found = copy.deepcopy(store.objects[SIGNED_REQUEST]["d-17"])
    annotations = found["metadata"]["annotations"]
    kept = {"key-fingerprint", left}
    found["metadata"]["annotations"] = {
        f"{OURS}/{key}": annotations[f"{OURS}/{key}"] for key in kept
    }
    store.put(SIGNED_REQUEST, found)
    assert await enrol(backend, OWN, SECOND) == "OtherKey"


async def test_a_device_whose_use_was_given_back_keeps_its_key(
    store: Store, backend: CrdBackend
) -> None:
    await join(store, backend)
    store.remove(CONFIG_MAP, "sticks-1")

    async def is_refused() -> bool:
        return await enrol(backend, OWN, SECOND) == "OtherKey"

    await eventually(is_refused)


async def test_a_device_whose_edge_device_was_deleted_waits_for_a_person(
    store: Store, backend: CrdBackend
) -> None:
    await join(store, backend)
    store.remove(EDGE_DEVICE, "d-17")
    store.remove(SIGNED_REQUEST, "d-17")
    for key in (SECOND, THIRD, SECOND):  # one more boot is no reason
        assert await enrol(backend, OWN, key) == "waits"
        assert "another key" in noted(store)["approval-withheld"]
        assert "approval" not in noted(store)


def reporting(serial_number: str) -> Features:
    return Features(hardware=HardwareInfo(system_vendor=SystemVendor(serial_number=serial_number)))


@pytest.mark.parametrize(
    ("rule", "right", "wrong", "cause"),
    [
        (
            {"sourceNetworks": ["10.0.0.0/8"]},
            {"address": "10.1.2.3"},
            {"address": "203.0.113.9"},
            "connects from 203.0.113.9",
        ),
        (
            {"serialNumbers": ["S1"]},
            {"features": reporting("S1")},
            {"features": reporting("S2")},
            "serial number 'S2'",
        ),
    ],
)
@pytest.mark.parametrize("has_joined", [True, False])
async def test_the_rule_that_approved_has_to_approve_the_next_key_too(
    store: Store,
    backend: CrdBackend,
    rule: dict[str, Any],
    right: dict[str, Any],
    wrong: dict[str, Any],
    cause: str,
    has_joined: bool,
) -> None:
    by = "registration batch sticks"
    store.put(SECRET, batch("sticks", OWN, **{**RULE, "approval": AUTOMATIC | rule}))
    if has_joined:
        await join(store, backend, by=by, **right)
    else:
        assert await enrol(backend, OWN, KEY, **right) == "waits"
        approve(store, by)
    await comes_back(backend, SECOND, **right)
    before = noted(store)
    assert SECOND in before["approval"]

    info = EnrolmentInfo(public_key_fingerprint=THIRD, features=wrong.get("features"))
    address = wrong.get("address")
    with pytest.raises(Refusal, match=cause) as caught:
        await backend.enrol(holder(OWN), "d-17", info, address)
    assert caught.value.reason == "OtherKey"
    assert noted(store) == before


async def test_a_rule_that_is_no_more_lets_no_other_key_in(
    store: Store, backend: CrdBackend
) -> None:
    await join(store, backend, by="registration batch sticks")
    await comes_back(backend, SECOND)
    store.put(SECRET, batch("sticks", OWN, uses=1, allowKeyReplacement=True))
    with pytest.raises(Refusal, match="no rule any more"):
        await backend.enrol(holder(OWN), "d-17", EnrolmentInfo(public_key_fingerprint=THIRD), None)


async def test_a_persons_approval_is_for_the_key_that_it_was_given_for(
    store: Store, backend: CrdBackend
) -> None:
    store.put(SECRET, batch("sticks", OWN, uses=1, allowKeyReplacement=True))
    assert await enrol(backend, OWN) == "waits"
    approve(store)
    with pytest.raises(Refusal, match="a person approved the request for the key") as caught:
        await backend.enrol(holder(OWN), "d-17", EnrolmentInfo(public_key_fingerprint=SECOND), None)
    assert caught.value.reason == "OtherKey"
    assert noted(store)["console-code"] == console_code(KEY)
    assert await register(backend, OWN) == "joined"


async def test_the_setting_approves_whichever_key_comes_first(
    store: Store, backend: CrdBackend
) -> None:
    store.put(SECRET, batch("sticks", OWN, uses=1, allowKeyReplacement=True))
    assert await enrol(backend, OWN) == "waits"
    approve(store, "AUTO_APPROVAL_PROCESS")
    assert await enrol(backend, OWN, SECOND) == "may register"


@pytest.mark.parametrize("has_joined", [True, False])
async def test_the_request_says_of_its_device_what_the_present_key_says(
    store: Store, backend: CrdBackend, has_joined: bool
) -> None:
    store.put(SECRET, batch("sticks", OWN, uses=1, allowKeyReplacement=True))
    first = {"features": reporting("S1"), "address": "10.1.2.3"}
    second: dict[str, Any] = {"features": reporting("S2"), "address": "10.1.2.4"}
    if has_joined:
        await join(store, backend, **first)
        await comes_back(backend, SECOND, **second)
    else:
        assert await enrol(backend, OWN, KEY, **first) == "waits"
        assert await enrol(backend, OWN, SECOND, **second) == "waits"
    request = store.objects[SIGNED_REQUEST]["d-17"]
    assert "S1" not in str(request)
    assert "S2" in str(request["spec"]["features"])
    assert noted(store)["source-address"] == "10.1.2.4"
    assert noted(store)["key-fingerprint"] == SECOND


async def test_a_request_keeps_its_key_if_the_batch_admits_it_no_more(
    store: Store, backend: CrdBackend
) -> None:
    await join(store, backend)
    store.put(SECRET, batch("sticks", OWN, **RULE, namespaces=["elsewhere"]))
    info = EnrolmentInfo(public_key_fingerprint=SECOND, target_namespace="elsewhere")
    peer = Peer("registration", "", "default", ("elsewhere",), None, OWN, "", LATER, LATER)

    async def look() -> str:
        with pytest.raises(Refusal) as caught:
            await backend.enrol(peer, "d-17", info, None)
        return str(caught.value.reason).replace("OtherKey", "")  # until the watch tells of the use

    assert await eventually(look) == "NamespaceNotAllowed"
    assert noted(store)["key-fingerprint"] == KEY


async def test_an_id_gets_few_other_keys_at_a_time(store: Store, backend: CrdBackend) -> None:
    await join(store, backend)
    await comes_back(backend, SECOND)
    answers = [await enrol(backend, OWN, f"{number:064x}") for number in range(15)]
    assert set(answers) == {"may register", "TooManyRequests"}
    assert answers.count("may register") < 11
    assert await enrol(backend, OWN, f"{answers.count('may register') - 1:064x}") == "may register"
