"""The rollover of the fleet's CA: replicas, interruptions, refusals, and what is served."""

from __future__ import annotations

import asyncio
import uuid
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.serialization import Encoding
from operator_site import resource_api

from flotta.edge_api.backends.backend import BackendError, StoreCertificate, StoredSecret
from flotta.edge_api.backends.crd.left_behind import LeftBehindSearch
from flotta.edge_api.backends.resource_api.authority import ConfigMapAuthority
from flotta.edge_api.backends.resource_api.secrets import Secrets
from flotta.edge_api.certificates import Certificates, Material
from flotta.edge_api.expiry_watch import ExpiryWatch
from flotta.edge_api.metrics import EdgeApiMetrics
from flotta.edge_api.refusals import Refusal
from flotta.edge_api.rollover import Rollover
from flotta.edge_api.settings import Settings
from flotta.fleet.rollover import make_request, read_answer
from flotta.identity.authority import Authority
from flotta.identity.issuers import issued_by
from flotta.identity.lifetime import load_certificate
from flotta.identity.rollover import FINISH, ROLL, Phase, RolloverAnswer, RolloverRequest
from flotta.identity.ssl_contexts import client_context
from flotta.own_names import CA_SECRET, HOST_SECRET, ROLLOVER_CONFIG_MAP
from flotta.resources.cache import Cache
from flotta.resources.client import Client
from flotta.resources.kinds import CONFIG_MAP, EDGE_DEVICE, EVENT, SECRET

SETTINGS = Settings(server_names=("127.0.0.1",))


ENGINES = ("embedded", pytest.param("kubernetes", marks=pytest.mark.deep))


@pytest.fixture(scope="module", params=ENGINES)
def access(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Path]]:
    with resource_api(tmp_path_factory.mktemp("rollover"), request.param) as access:
        yield access


@pytest_asyncio.fixture
async def admin(access: Callable[[str], Path]) -> AsyncIterator[Client]:
    async with await Client.connect(str(access("admin"))) as opened:
        for kind, namespace in (
            (SECRET, "flotta"),
            (CONFIG_MAP, "flotta"),
            (EDGE_DEVICE, "default"),
        ):
            for found in await opened.list(kind, namespace):
                await opened.delete(kind, found["metadata"]["name"], namespace)
        yield opened


@pytest_asyncio.fixture
async def client(access: Callable[[str], Path], admin: Client) -> AsyncIterator[Client]:
    async with await Client.connect(str(access("edge-api"))) as opened:
        yield opened


class Replica:
    """What an Edge API does with the certificates, without its server."""

    def __init__(self, client: Client) -> None:
        self.secrets = Secrets(client, "flotta", Cache(client, SECRET))
        search = LeftBehindSearch(client, "flotta")
        self.store = ConfigMapAuthority(client, "flotta", Cache(client, CONFIG_MAP), search.find)
        self.rollover = Rollover(self.secrets, self.store, SETTINGS)
        self._certificates = Certificates(self.secrets, SETTINGS)

    async def follow(self) -> Material:
        await self.rollover.follow()
        return await self._certificates.ensure()


async def ask(admin: Client, phase: Phase, *, forced: bool = False) -> RolloverRequest:
    request = RolloverRequest(uuid.uuid4().hex, phase, forced)
    if await admin.get_or_none(CONFIG_MAP, ROLLOVER_CONFIG_MAP, "flotta"):
        await admin.delete(CONFIG_MAP, ROLLOVER_CONFIG_MAP, "flotta")
    await admin.create(CONFIG_MAP, make_request(request, "flotta"))
    return request


async def answer_to(admin: Client, request: RolloverRequest) -> RolloverAnswer | None:
    found = await admin.get_or_none(CONFIG_MAP, ROLLOVER_CONFIG_MAP, "flotta")
    return read_answer(found, request)


async def create_device(admin: Client, name: str, authority: str) -> None:
    """Create a device that used a certificate of this CA; "" is one of which nothing is known."""
    device = {"metadata": {"name": name, "namespace": "default"}, "spec": {}}
    await admin.create(EDGE_DEVICE, device)
    certificate = {"certificate": {"authority": authority}} if authority else {}
    status = {"status": {"phase": "up", **certificate}}
    await admin.merge_patch(EDGE_DEVICE, name, "default", status, "status")


async def require_trust(material: Material, trusted: bytes) -> None:
    """Connect to a server of this material as a client that knows these CAs only."""
    context = client_context(trusted, check_time=True)
    server = await asyncio.start_server(
        lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=material.make_context()
    )
    async with server:
        port = server.sockets[0].getsockname()[1]
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        writer.close()


async def test_replicas_that_are_asked_together_make_one_ca(client: Client, admin: Client) -> None:
    before = await Replica(client).follow()
    request = await ask(admin, ROLL)

    found = await asyncio.gather(*(Replica(client).follow() for _ in range(5)))

    new = {material.authority.certificate for material in found}
    assert len(new) == 1
    assert before.authority.certificate not in new
    trusted = found[0].authority.certificate_pem
    assert trusted.endswith(before.authority.certificate_pem)
    assert trusted.count(b"BEGIN") == 2
    answer = await answer_to(admin, request)
    assert answer is not None
    assert not answer.is_refusal


class Interrupted(Exception):
    """The process ends here."""


class FailingSecrets(Secrets):
    """Ends the process before it writes this Secret."""

    failing = ""

    async def replace(self, secret: StoredSecret, data: Mapping[str, bytes]) -> None:
        if secret.name == self.failing:
            raise Interrupted
        await super().replace(secret, data)


async def test_what_was_interrupted_before_the_write_is_done_by_the_next(
    client: Client, admin: Client
) -> None:
    before = await Replica(client).follow()
    request = await ask(admin, ROLL)
    replica = Replica(client)
    secrets = FailingSecrets(client, "flotta", Cache(client, SECRET))
    secrets.failing = CA_SECRET
    replica.rollover = Rollover(secrets, replica.store, SETTINGS)
    with pytest.raises(Interrupted):
        await replica.follow()
    assert await answer_to(admin, request) is None

    after = await Replica(client).follow()

    assert after.authority.certificate != before.authority.certificate
    assert await answer_to(admin, request) is not None


async def test_what_was_interrupted_before_the_answer_is_not_done_twice(
    client: Client, admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    await Replica(client).follow()
    request = await ask(admin, ROLL)
    replica = Replica(client)

    async def fail(*_: object) -> None:
        raise BackendError("gone", Refusal(503, "gone", reason="Conflict"))

    monkeypatch.setattr(replica.store, "answer", fail)
    with pytest.raises(BackendError):
        await replica.follow()
    done = await replica.secrets.read(CA_SECRET)

    await Replica(client).follow()

    assert await replica.secrets.read(CA_SECRET) == done
    answer = await answer_to(admin, request)
    assert answer is not None
    assert not answer.is_refusal


async def test_one_rollover_at_a_time_and_none_of_a_foreign_ca(
    client: Client, admin: Client
) -> None:
    await Replica(client).follow()
    await ask(admin, ROLL)
    rolled = await Replica(client).follow()

    request = await ask(admin, ROLL)
    assert (await Replica(client).follow()).authority.certificate == rolled.authority.certificate
    answer = await answer_to(admin, request)
    assert answer is not None
    assert (answer.is_refusal, "rolled over already" in answer.message) == (False, True)

    corporate = Authority.create("Corp CA", "Corp")
    data = {"ca.crt": corporate.certificate_pem, "ca.key": corporate.key_pem}
    encoded = {key: b64encode(value).decode() for key, value in data.items()}
    await admin.merge_patch(SECRET, CA_SECRET, "flotta", {"data": encoded})
    request = await ask(admin, ROLL)
    assert (await Replica(client).follow()).authority.certificate == corporate.certificate
    answer = await answer_to(admin, request)
    assert answer is not None
    assert (answer.code, "PKI" in answer.message) == ("CARolloverRefused", True)


async def test_the_former_ca_stays_while_devices_need_it_unless_it_is_forced(
    client: Client, admin: Client
) -> None:
    old = await Replica(client).follow()
    await ask(admin, ROLL)
    rolled = await Replica(client).follow()
    await create_device(admin, "till-new", rolled.authority.identifier)
    await create_device(admin, "till-off", old.authority.identifier)
    await create_device(admin, "till-silent", "")
    hand_made = {"metadata": {"name": "till-made", "namespace": "default"}, "spec": {}}
    await admin.create(EDGE_DEVICE, hand_made)

    request = await ask(admin, FINISH)
    kept = await Replica(client).follow()
    answer = await answer_to(admin, request)

    assert kept.authority.has_others
    assert answer is not None
    assert answer.code == "FormerCAInUse"
    assert "default/till-off, default/till-silent. " in answer.message

    request = await ask(admin, FINISH, forced=True)
    found = await asyncio.gather(*(Replica(client).follow() for _ in range(3)))
    answer = await answer_to(admin, request)
    assert answer is not None
    assert not answer.is_refusal
    for material in found:
        assert material.authority.certificate == rolled.authority.certificate
        assert not material.authority.has_others


async def test_a_client_that_knows_the_former_ca_alone_trusts_the_server_all_the_time(
    client: Client, admin: Client
) -> None:
    old = await Replica(client).follow()
    known = old.authority.certificate_pem
    await require_trust(old, known)

    await ask(admin, ROLL)
    rolled = await Replica(client).follow()
    assert issued_by(load_certificate(rolled.server.certificate), [old.authority.certificate])
    await require_trust(rolled, known)
    await require_trust(rolled, rolled.authority.certificate_pem)

    await ask(admin, FINISH)
    finished = await Replica(client).follow()
    assert issued_by(load_certificate(finished.server.certificate), [rolled.authority.certificate])
    await require_trust(finished, known)
    await require_trust(finished, finished.authority.certificate_pem)

    await ask(admin, ROLL)
    await Replica(client).follow()
    await ask(admin, FINISH)
    again = await Replica(client).follow()
    for trusted in (known, finished.authority.certificate_pem, again.authority.certificate_pem):
        await require_trust(again, trusted)


async def test_the_ca_that_leaves_issues_a_server_certificate_once_more(
    client: Client, admin: Client
) -> None:
    old = await Replica(client).follow()
    month_ago = datetime.now(UTC) - timedelta(days=30)
    aged = old.authority.issue_server(["127.0.0.1"], days=335, since=month_ago)
    data = {"server.crt": aged.certificate, "server.key": aged.key}
    encoded = {key: b64encode(value).decode() for key, value in data.items()}
    await admin.merge_patch(SECRET, HOST_SECRET, "flotta", {"data": encoded})

    await ask(admin, ROLL)
    rolled = await Replica(client).follow()

    served = load_certificate(rolled.server.certificate)
    assert served.not_valid_before_utc > month_ago + timedelta(days=29)
    assert issued_by(served, [old.authority.certificate])


async def test_what_expires_soon_is_said_once_a_day_in_log_event_and_metric(
    client: Client, admin: Client, caplog: pytest.LogCaptureFixture
) -> None:
    replica, metrics, now = Replica(client), EdgeApiMetrics(), [datetime.now(UTC)]
    material = await replica.follow()
    issued = material.authority.issue_server(["store.example"], days=300)
    der = load_certificate(issued.certificate).public_bytes(Encoding.DER)
    backend = SimpleNamespace(
        secrets=replica.secrets,
        authority=replica.store,
        store_certificate=StoreCertificate("https://store.example", der),
    )
    watch = ExpiryWatch(backend, metrics, lambda: now[0])
    await watch.check(material)
    assert "CertificateExpires" not in caplog.text

    now[0] += timedelta(days=310)  # nobody renewed it
    for _ in range(3):
        await watch.check(material)
    said = [line for line in caplog.messages if "CertificateExpires" in line]
    assert [line.partition(" at ")[0] for line in said] == [
        "The server certificate in Secret flotta-host-certificate expires",
        "The data store certificate of https://store.example expired",
    ]
    (event,) = [
        event
        for event in await admin.list(EVENT, "flotta")
        if event["involvedObject"]["name"] == HOST_SECRET
    ]
    assert (event["reason"], event["type"]) == ("CertificateExpires", "Warning")
    labels = {"kind": "server", "name": HOST_SECRET}
    name = "flotta_api_certificate_expiry_timestamp_seconds"
    end = load_certificate(material.server.certificate).not_valid_after_utc
    warning = "flotta_api_certificate_warning_timestamp_seconds"
    found = metrics.registry.get_sample_value(warning, labels)
    assert found is not None
    assert end.timestamp() - 61 * 86400 <= found < end.timestamp() - 60 * 86400
    assert metrics.registry.get_sample_value(name, labels) == end.timestamp()

    now[0] += timedelta(days=1)
    await watch.check(material)
    assert sum("server certificate in Secret" in line for line in caplog.messages) == 2
