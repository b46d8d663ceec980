"""What an Edge API decides about a batch before its watch tells of a change."""

from __future__ import annotations

import json
import time
from base64 import b64encode
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from edge_api_store import Object, Store, running

from flotta.edge_api.backends.crd.backend import CrdBackend
from flotta.edge_api.refusals import Refusal
from flotta.identity.peers import Peer
from flotta.protocol.models import EnrolmentInfo, RegistrationInfo
from flotta.resources.kinds import SECRET, SIGNED_REQUEST

pytestmark = pytest.mark.looptime(start=time.monotonic)  # the fixtures had real time
NOW, LATER = (datetime(year, 1, 10, 9, 0, tzinfo=UTC) for year in (2026, 2100))
CERTIFICATE, KEY = "ab" * 32, "cd" * 32  # fingerprints
PEER = Peer("registration", "", "default", ("default",), None, CERTIFICATE, "", NOW, LATER)


def batch(**specification: Any) -> Object:
    def encoded(text: str) -> str:
        return b64encode(text.encode()).decode()

    metadata = {"name": "shops", "namespace": "flotta", "uid": "u-2"}
    return {
        "metadata": {**metadata, "labels": {"reg-client-ca": "true"}},
        "data": {
            "formerCertificates": encoded(CERTIFICATE),
            "batch": encoded(json.dumps(specification)),
        },
    }


@pytest.fixture
def store() -> Store:
    store = Store()
    store.put(SECRET, batch())
    spec = {"targetNamespace": "default", "approved": True}
    metadata = {"name": "d-17", "namespace": "default"}
    store.put(SIGNED_REQUEST, {"metadata": metadata, "spec": spec})
    return store


@pytest.fixture
async def backend(store: Store) -> AsyncIterator[CrdBackend]:
    async with running(store) as backend:
        yield backend


async def reason(backend: CrdBackend, method: str) -> str:
    enrolment = EnrolmentInfo(public_key_fingerprint=KEY)
    asked = (
        backend.enrol(PEER, "d-17", enrolment, None)
        if method == "enrol"
        else backend.register(PEER, "d-17", RegistrationInfo(), KEY)
    )
    with pytest.raises(Refusal) as caught:
        await asked
    return caught.value.reason


@pytest.mark.parametrize("method", ["enrol", "register"])
async def test_a_revocation_counts_although_the_watch_tells_nothing_yet(
    store: Store, backend: CrdBackend, method: str
) -> None:
    store.hold(SECRET)
    store.put(SECRET, batch(revoked={"at": "2026-01-01T00:00:00Z"}))

    assert await reason(backend, method) == "RegistrationRevoked"


@pytest.mark.parametrize("method", ["enrol", "register"])
async def test_a_deletion_counts_although_the_watch_tells_nothing_yet(
    store: Store, backend: CrdBackend, method: str
) -> None:
    store.hold(SECRET)
    store.remove(SECRET, "shops")

    assert await reason(backend, method) == "RegistrationRevoked"


async def test_a_new_batch_admits_although_the_watch_tells_nothing_yet(store: Store) -> None:
    store.remove(SECRET, "shops")
    async with running(store) as backend:
        store.hold(SECRET)
        store.put(SECRET, batch())
        info = EnrolmentInfo(public_key_fingerprint=KEY)

        assert not await backend.enrol(PEER, "d-17", info, None)


async def test_a_certificate_of_no_batch_makes_few_lists_however_often_it_comes(
    store: Store, backend: CrdBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    lists = []
    found = store.list

    async def counted(*args: Any, **options: Any) -> list[Object]:
        lists.append(args)
        return await found(*args, **options)

    monkeypatch.setattr(store, "list", counted)
    store.remove(SECRET, "shops")

    for _ in range(100):
        assert await reason(backend, "enrol") == "RegistrationRevoked"

    assert len(lists) <= 6
