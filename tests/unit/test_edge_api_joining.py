"""Who joins under an id: keys, batches and approvals, as the Edge API decides about them."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import AsyncIterator

import pytest
from edge_api_store import Store, running
from joining_device import (
    AUTOMATIC,
    KEY,
    LATER,
    NOW,
    OTHERS,
    OWN,
    SECOND,
    approve,
    batch,
    edge_device,
    enrol,
    holder,
    noted,
    register,
    request,
)

from flotta.edge_api.backends.crd.backend import CrdBackend
from flotta.edge_api.refusals import Refusal
from flotta.fleet.joining import CODE_ANNOTATION
from flotta.identity.holder import Peer
from flotta.protocol.console_code import console_code
from flotta.protocol.models import EnrolmentInfo, HardwareInfo
from flotta.resources.kinds import (
    CONFIG_MAP,
    EDGE_DEVICE,
    SECRET,
    SIGNED_REQUEST,
    WITHHELD_ANNOTATION,
)
from waiting import eventually

pytestmark = pytest.mark.looptime(start=time.monotonic)  # the fixtures had real time


@pytest.fixture
def store() -> Store:
    """Return a store with an unlimited batch, whose certificate is OTHERS."""
    store = Store()
    store.put(SECRET, batch("cheap", OTHERS))
    return store


@pytest.fixture
async def backend(store: Store) -> AsyncIterator[CrdBackend]:
    async with running(store) as backend:
        yield backend


@pytest.mark.parametrize("hardware", [None, HardwareInfo(hostname="d-17")])
async def test_a_device_made_by_hand_gets_nothing_before_it_shows_what_it_runs(
    store: Store, backend: CrdBackend, hardware: HardwareInfo | None
) -> None:
    store.put(EDGE_DEVICE, edge_device())
    assert await enrol(backend, OTHERS) == "waits"
    approve(store)

    assert await register(backend, OTHERS, hardware=hardware) == "joined"

    annotations = store.device()["metadata"]["annotations"]
    assert annotations.get(WITHHELD_ANNOTATION) == (None if hardware else "true")


async def test_a_device_made_by_hand_gets_nothing_that_was_made_before_it_registered(
    store: Store,
) -> None:
    store.put(EDGE_DEVICE, edge_device())
    async with running(store) as first, running(store) as late:
        assert await enrol(first, OTHERS) == "waits"
        approve(store)
        store.hold(EDGE_DEVICE)
        assert await register(first, OTHERS) == "joined"
        device = Peer("device", "d-17", "default", ("default",), "u-1", "", KEY, NOW, LATER)

        with pytest.raises(Refusal, match="has not reached this server yet"):
            await late.get_configuration(device)


@pytest.mark.parametrize("approved", [False, True])
async def test_a_request_without_a_key_belongs_to_the_batch_that_it_came_with(
    store: Store, backend: CrdBackend, approved: bool
) -> None:
    store.put(SECRET, batch("shops", OWN, allowWithoutFingerprint=True))
    store.put(SECRET, batch("cheap", OTHERS, allowWithoutFingerprint=True))
    await eventually(lambda: _knows(backend, OWN))
    assert await enrol(backend, OWN, "") == "waits"
    if approved:
        approve(store)

    assert await enrol(backend, OTHERS, SECOND) == "OtherKey"
    assert await register(backend, OTHERS, SECOND) == ("OtherKey" if approved else "NotApproved")

    assert "key-fingerprint" not in noted(store)
    assert await enrol(backend, OWN) == ("may register" if approved else "waits")
    assert noted(store)["key-fingerprint"] == KEY


async def _knows(backend: CrdBackend, certificate: str) -> bool:
    """Tell whether the watch has told of the batch of a certificate."""
    info = EnrolmentInfo(public_key_fingerprint=KEY, target_namespace="nowhere")
    with pytest.raises(Refusal) as caught:
        await backend.enrol(holder(certificate), "other", info, None)
    return caught.value.reason == "NamespaceNotAllowed"


async def test_a_request_made_by_hand_takes_no_key_from_who_may_not_join_its_namespace(
    store: Store, backend: CrdBackend
) -> None:
    store.put(SIGNED_REQUEST, request(approved=True, targetNamespace="secret"))

    assert await enrol(backend, OTHERS) == "NamespaceNotAllowed"

    assert "key-fingerprint" not in noted(store)


async def test_a_use_that_another_key_holds_is_no_approval(store: Store) -> None:
    store.put(SECRET, batch("one", OWN, uses=1, deviceIDs=["d-17"], approval=AUTOMATIC))
    async with running(store) as backend:
        assert await enrol(backend, OWN) == "waits"
        assert "approval" in noted(store)
        store.remove(SIGNED_REQUEST, "d-17")

        assert await enrol(backend, OWN, SECOND) == "waits"

        assert "approval" not in noted(store)
        assert "another key" in noted(store)["approval-withheld"]
        approve(store)
        assert await register(backend, OWN, SECOND) == "joined"
    use = store.objects[CONFIG_MAP]["one-1"]["data"]
    assert (use["deviceID"], use["keyFingerprint"]) == ("d-17", SECOND)


async def test_a_rule_that_names_no_id_gives_no_device_that_was_made_by_hand(store: Store) -> None:
    store.put(SECRET, batch("cheap", OTHERS, uses=5, approval=AUTOMATIC))
    store.put(SECRET, batch("own", OWN))
    store.put(EDGE_DEVICE, edge_device(secrets="all"))
    async with running(store) as backend:
        assert await enrol(backend, OTHERS, SECOND) == "waits"
        assert "an EdgeDevice of this name exists" in noted(store)["approval-withheld"]
        assert store.objects[CONFIG_MAP] == {}

        store.put(SECRET, batch("own", OWN, deviceIDs=["d-17"], approval=AUTOMATIC))
        assert await enrol(backend, OWN) == "waits"
    assert json.loads(noted(store)["approval"])["batch"] == "own"


@pytest.mark.parametrize("end", [None, {"revoked": {"at": "2026-01-01T00:00:00Z"}}])
async def test_a_rule_that_names_no_id_gives_none_that_another_batch_lists(
    store: Store, end: dict[str, object] | None
) -> None:
    store.put(SECRET, batch("cheap", OTHERS, uses=5, approval=AUTOMATIC, deviceIDs=["d-*"]))
    listed = {"deviceIDs": ["d-17", "d-18"], "approval": AUTOMATIC}
    store.put(SECRET, batch("tills", OWN, **listed, **(end or {})))
    async with running(store) as backend:
        assert await enrol(backend, OTHERS, SECOND) == "waits"

        assert ("approval" in noted(store)) is (end is not None)
        if end is None:
            assert "batch tills lists the id d-17" in noted(store)["approval-withheld"]
            assert await enrol(backend, OWN) == "waits"
            assert json.loads(noted(store)["approval"])["batch"] == "tills"


@pytest.mark.parametrize("end", ["revoked", "deleted", "replaced", "expired"])
@pytest.mark.parametrize("person", [False, True])
async def test_an_approval_by_a_rule_ends_with_its_batch(
    store: Store, end: str, person: bool
) -> None:
    store.put(SECRET, batch("shops", OWN, uses=5, approval=AUTOMATIC))
    async with running(store) as backend:
        assert await enrol(backend, OWN) == "waits"
        approve(store, *(() if person else ["registration batch shops"]))
        at = "2026-01-01T00:00:00Z"
        if end == "deleted":
            store.remove(SECRET, "shops")
        elif end == "replaced":
            another = batch("shops", "00" * 32)
            another["metadata"]["uid"] = "uid-of-another"
            store.put(SECRET, another)
        else:
            fields = {"expires": at} if end == "expired" else {"revoked": {"at": at}}
            store.put(SECRET, batch("shops", OWN, uses=5, approval=AUTOMATIC, **fields))

        answer = await register(backend, OTHERS)

    assert answer == ("joined" if person or end == "expired" else "RegistrationRevoked")


async def test_a_request_of_an_earlier_release_moves_to_the_batch_of_its_device(
    store: Store,
) -> None:
    store.put(
        SIGNED_REQUEST, request({"key-fingerprint": KEY, "registration-certificate": "00" * 32})
    )
    given = {"labels": {"role": "till"}, "targetSet": "tills", "namespaces": ["shops"]}
    store.put(SECRET, batch("shops", OWN, **given))
    async with running(store) as backend:
        assert await enrol(backend, OWN, SECOND) == "OtherKey"

        assert await enrol(backend, OWN) == "waits"

    assert noted(store)["registration-batch"] == "shops"
    spec = store.objects[SIGNED_REQUEST]["d-17"]["spec"]
    assert (spec["labels"], spec["targetSet"]) == ({"role": "till"}, "tills")
    assert spec["targetNamespace"] == "shops"


async def test_a_request_of_an_earlier_release_keeps_what_an_administrator_changed(
    store: Store, backend: CrdBackend
) -> None:
    left = {"key-fingerprint": KEY, "registration-certificate": OTHERS}
    store.put(SIGNED_REQUEST, request(left, targetSet="vip"))

    assert await enrol(backend, OTHERS) == "waits"

    assert noted(store)["registration-batch"] == "cheap"
    assert store.objects[SIGNED_REQUEST]["d-17"]["spec"]["targetSet"] == "vip"


@pytest.mark.parametrize("left", [{}, {"registration-certificate": "00" * 32}])
async def test_a_request_that_is_left_in_another_namespace_locks_out_nobody(
    store: Store, left: dict[str, str]
) -> None:
    bound = {**left, "key-fingerprint": SECOND} if left else {}
    store.put(SIGNED_REQUEST, request(bound))
    store.put(SECRET, batch("own", OWN, deviceIDs=["d-17"], namespaces=["shops"]))
    async with running(store) as backend:
        reason = "OtherKey" if left else "NamespaceNotAllowed"
        assert await enrol(backend, OWN) == reason  # a person could approve either

        lists = {"deviceIDs": ["d-17"], "namespaces": ["shops"], "approval": AUTOMATIC}
        store.put(SECRET, batch("own", OWN, **lists))
        assert await enrol(backend, OWN) == "waits"

    assert noted(store)["key-fingerprint"] == KEY
    assert store.objects[SIGNED_REQUEST]["d-17"]["spec"]["targetNamespace"] == "shops"


async def test_a_device_that_was_restored_without_its_status_is_free_for_nobody(
    store: Store,
) -> None:
    store.put(SIGNED_REQUEST, request(approved=True))
    store.put(EDGE_DEVICE, edge_device(role="till"))
    store.put(SECRET, batch("cheap", OTHERS, allowWithoutFingerprint=True))
    async with running(store) as backend:
        assert await enrol(backend, OTHERS) == "OtherKey"
        assert await enrol(backend, OTHERS, "") == "OtherKey"
        assert await register(backend, OTHERS) == "OtherKey"

        store.put(SECRET, batch("own", OWN, deviceIDs=["d-17"], uses=1, approval=AUTOMATIC))
        await eventually(lambda: _knows(backend, OWN))
        assert await enrol(backend, OWN) == "may register"
        assert await register(backend, OWN) == "joined"
    assert store.device()["metadata"]["annotations"][WITHHELD_ANNOTATION] == "true"


async def test_a_request_of_an_earlier_release_gets_the_code_of_its_key(
    store: Store, backend: CrdBackend
) -> None:
    assert await enrol(backend, OTHERS) == "waits"
    earlier = copy.deepcopy(store.objects[SIGNED_REQUEST]["d-17"])
    del earlier["metadata"]["annotations"][CODE_ANNOTATION]
    store.put(SIGNED_REQUEST, earlier)

    assert await enrol(backend, OTHERS) == "waits"
    assert noted(store)["console-code"] == console_code(KEY)
