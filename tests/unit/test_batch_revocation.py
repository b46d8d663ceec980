"""What an Edge API decides about a batch before its watch tells of a change."""

from __future__ import annotations

import asyncio
import json
import time
from base64 import b64encode
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from edge_api_store import Object, Store, running

from flotta.edge_api.backends.crd.backend import CrdBackend
from flotta.edge_api.refusals import Refusal
from flotta.identity.holder import Peer
from flotta.protocol.models import EnrolmentInfo, RegistrationInfo
from flotta.resources.kinds import SECRET, SIGNED_REQUEST

pytestmark = pytest.mark.looptime(start=time.monotonic)  # the fixtures had real time
NOW, LATER = (datetime(year, 1, 10, 9, 0, tzinfo=UTC) for year in (2026, 2100))
CERTIFICATE, KEY = "ab" * 32, "cd" * 32  # fingerprints
PEER = Peer("registration", "", "default", ("default",), None, CERTIFICATE, "", NOW, LATER)


def batch(name: str = "shops", **specification: Any) -> Object:
    def encoded(text: str) -> str:
        return b64encode(text.encode()).decode()

    metadata = {"name": name, "namespace": "flotta", "uid": "u-2"}
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


class Calls:
    """What is asked of a store about Secrets."""

    def __init__(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        for name in ("list", "get_or_none"):
            monkeypatch.setattr(store, name, self.counted(getattr(store, name)))

    def counted(self, method: Any) -> Any:
        async def call(kind: Any, *args: Any, **options: Any) -> Any:
            self.count += kind == SECRET
            return await method(kind, *args, **options)

        return call


async def test_a_certificate_of_no_batch_makes_one_list_until_the_watch_tells_of_it(
    store: Store, backend: CrdBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.remove(SECRET, "shops")
    await asyncio.sleep(1)
    calls = Calls(store, monkeypatch)

    for _ in range(100):
        assert await reason(backend, "enrol") == "RegistrationRevoked"
        await asyncio.sleep(1)  # more lists are allowed each second

    assert calls.count == 1
    store.put(SECRET, batch())
    await asyncio.sleep(1)
    assert not await backend.enrol(PEER, "d-17", EnrolmentInfo(public_key_fingerprint=KEY), None)


@pytest.mark.parametrize(
    "ended", [{"revoked": {"at": "2026-01-01T00:00:00Z"}}, {"expires": "2026-01-01T00:00:00Z"}]
)
async def test_what_is_known_to_have_ended_asks_the_api_for_nothing(
    store: Store, backend: CrdBackend, monkeypatch: pytest.MonkeyPatch, ended: dict[str, Any]
) -> None:
    store.put(SECRET, batch(**ended))
    await asyncio.sleep(1)
    calls = Calls(store, monkeypatch)

    code = "CertificateExpired" if "expires" in ended else "RegistrationRevoked"
    assert await reason(backend, "enrol") == await reason(backend, "register") == code

    assert calls.count == 0


@pytest.mark.parametrize("name", ["a-copy", "z-copy"])
async def test_a_copy_of_a_revoked_batch_admits_nobody(
    store: Store, backend: CrdBackend, name: str
) -> None:
    store.put(SECRET, batch(name))
    store.put(SECRET, batch(revoked={"at": "2026-01-01T00:00:00Z"}))

    assert await reason(backend, "enrol") == "RegistrationRevoked"
    await asyncio.sleep(1)
    assert await reason(backend, "enrol") == "RegistrationRevoked"


async def test_certificates_of_a_secret_without_specification_keep_their_own_namespaces(
    store: Store, backend: CrdBackend
) -> None:
    unwritten = batch()
    del unwritten["data"]["batch"]
    store.put(SECRET, unwritten)
    former = replace(PEER, namespace="shops", namespaces=("shops",))
    info = EnrolmentInfo(public_key_fingerprint=KEY, target_namespace="shops")

    with pytest.raises(Refusal) as refused:
        await backend.enrol(PEER, "d-18", info, None)
    assert refused.value.reason == "NamespaceNotAllowed"
    assert not await backend.enrol(former, "d-18", info, None)
