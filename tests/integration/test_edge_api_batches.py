"""Registration batches at two replicas of the Edge API, which share one resource API."""

from __future__ import annotations

import asyncio
import json
import uuid
from base64 import b64decode
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from edge_site import Device, Fleet, Reply, Site, certificate_of, edge_api, fleet_of, two_edge_apis
from operator_site import ENGINES

from flotta.edge_api.backends.resource_api.secrets import Secrets
from flotta.edge_api.certificates import Certificates
from flotta.edge_api.requested_certificates import RequestedCertificates
from flotta.edge_api.settings import Settings
from flotta.identity.authority import Authority, CertificateAndKey
from flotta.identity.lifetime import load_certificate
from flotta.resources.cache import Cache
from flotta.resources.client import Client, NotFound
from flotta.resources.kinds import CONFIG_MAP, EDGE_DEVICE, EVENT, SECRET, SIGNED_REQUEST
from flotta.rfc3339 import format_time
from waiting import eventually

pytestmark = pytest.mark.on_one_engine

Object = dict[str, Any]
OURS = "management.project-flotta.io"


@pytest.fixture(scope="module", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def replicas(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, Site]]:
    with two_edge_apis(tmp_path_factory.mktemp("batches"), engine) as started:
        yield started


@pytest.fixture
async def fleet(replicas: tuple[Site, Site]) -> AsyncIterator[Fleet]:
    async with fleet_of(replicas[0]) as fleet:
        yield fleet


@pytest.fixture
async def other(replicas: tuple[Site, Site]) -> AsyncIterator[Fleet]:
    """Return the fleet as the second replica serves it."""
    async with fleet_of(replicas[1]) as fleet:
        yield fleet


@pytest.fixture
def name() -> str:
    return f"batch-{uuid.uuid4().hex[:8]}"


def refusal(reply: Reply) -> tuple[int, str]:
    return reply.status, reply.json()["reason"] if reply.status >= 400 else ""


def noted(request: Object | None) -> dict[str, str]:
    assert request is not None
    found = request["metadata"]["annotations"]
    return {key.removeprefix(f"{OURS}/"): text for key, text in found.items()}


async def close(*devices: Device) -> None:
    for device in devices:
        await device.close()


async def enrolled(*devices: Device) -> list[tuple[int, str]]:
    """Let devices enrol at once, and return how each was answered."""
    replies = await asyncio.gather(*(device.enrol() for device in devices))
    await close(*devices)
    return [refusal(reply) for reply in replies]


async def uses_of(fleet: Fleet, name: str) -> dict[str, str]:
    label = f"{OURS}/registration-batch={name}"
    found = await fleet.client.list(CONFIG_MAP, "flotta", label_selector=label)
    return {use["metadata"]["name"]: use["data"]["deviceID"] for use in found}


async def test_the_edge_api_issues_what_the_specification_says(fleet: Fleet, name: str) -> None:
    end = datetime.now(UTC).replace(microsecond=0) + timedelta(days=3)
    issued = await fleet.issue(name, namespaces=["default", "shops"], expires=format_time(end))

    certificate = load_certificate(issued.certificate)
    assert certificate.not_valid_after_utc == end
    units = [item.value for item in certificate.subject if item.oid.dotted_string == "2.5.4.11"]
    assert units == ["default", "shops"]
    data = (await fleet.batch(name))["data"]
    assert b64decode(data["ca.crt"]) == fleet.authority.certificate_pem
    assert b64decode(data["client.key"]).startswith(b"-----BEGIN EC PRIVATE KEY-----")


async def test_an_invalid_specification_is_explained_until_it_is_mended(
    fleet: Fleet, name: str
) -> None:
    labels = {"reg-client-ca": "true"}
    metadata = {"name": name, "namespace": "flotta", "labels": labels}
    await fleet.client.create(SECRET, {"metadata": metadata, "data": {"batch": "e30x"}})

    async def problem() -> str:
        found = await fleet.batch(name)
        return found["metadata"].get("annotations", {}).get(f"{OURS}/batch-error", "")

    assert (await eventually(problem)).startswith("RegistrationBatchInvalid: the specification is")
    await fleet.specify(name, uses=0)
    await eventually(lambda: _holds(problem, "uses is not a whole number from 1 to 100000"))
    await fleet.specify(name, uses=1)

    async def is_issued() -> bool:
        found = await fleet.batch(name)
        return "client.crt" in found["data"] and not found["metadata"].get("annotations")

    await eventually(is_issued)


async def _holds(text: Any, part: str) -> bool:
    return part in await text()


async def test_a_changed_specification_gets_another_certificate_and_the_former_still_admits(
    fleet: Fleet, name: str
) -> None:
    former = await fleet.issue(name)
    await fleet.specify(name, namespaces=["default", "shops"])

    async def is_issued_again() -> CertificateAndKey | None:
        now = certificate_of(await fleet.batch(name))
        return now if now != former else None

    new = await eventually(is_issued_again)

    old_media, new_media = fleet.device(identity=former), fleet.device(identity=new)
    assert await enrolled(old_media, new_media) == [(200, ""), (200, "")]
    assert noted(await fleet.request(old_media))["registration-batch"] == name


async def test_servers_that_issue_together_write_once(fleet: Fleet, name: str) -> None:
    """A request of a batch that two replicas and three more servers see at once."""
    issued = await fleet.issue(name)
    servers = [
        Certificates(Secrets(fleet.client, "flotta", Cache(fleet.client, SECRET)), Settings())
        for _ in range(3)
    ]
    for server in servers:
        await server.ensure()

    found = await fleet.batch(name)
    assert certificate_of(found) == issued
    assert "formerCertificates" not in found["data"]


async def test_a_rule_approves_on_evidence_and_gives_set_and_labels(
    fleet: Fleet, name: str
) -> None:
    till = f"till-{name}"
    issued = await fleet.issue(
        name,
        deviceIDs=[till],
        targetSet="tills",
        labels={"site": "north"},
        approval={"mode": "Automatic"},
    )
    device = fleet.device(till, issued)
    assert refusal(await device.enrol()) == (200, "")

    request = await fleet.request(device)
    approval = json.loads(noted(request)["approval"])
    assert approval["batch"] == name
    assert approval["evidence"][0] == f"The id {till} is listed"
    assert noted(request)["key-fingerprint"] in approval["evidence"][1]
    assert request is not None
    assert request["spec"]["labels"] == {"site": "north"}
    assert request["spec"]["targetSet"] == "tills"
    assert request["spec"]["approved"] is False  # the operator does that
    version = request["metadata"]["resourceVersion"]
    assert refusal(await device.enrol()) == (200, "")
    again = await fleet.request(device)
    assert again is not None
    assert again["metadata"]["resourceVersion"] == version  # nothing to write
    await device.close()


async def test_what_narrows_a_rule_and_does_not_match_is_said(fleet: Fleet, name: str) -> None:
    rule = {"mode": "Automatic", "serialNumbers": ["SN-1"], "sourceNetworks": ["127.0.0.0/8"]}
    issued = await fleet.issue(name, uses=5, approval=rule)
    device = fleet.device(identity=issued)
    await device.enrol()
    withheld = noted(await fleet.request(device))["approval-withheld"]
    assert withheld == f"Batch {name}: the device reports no systemVendor.serialNumber"

    hardware = {"system_vendor": {"serial_number": "SN-1"}}
    own = fleet.device(identity=issued)
    await own.enrol(features={"hardware": hardware})
    withheld = noted(await fleet.request(own))["approval-withheld"]
    assert "the address of the device is not known" in withheld
    assert await uses_of(fleet, name) == {}
    await close(device, own)


async def test_a_source_network_counts_with_the_address_that_a_balancer_passes_on(
    replicas: tuple[Site, Site], fleet: Fleet, name: str
) -> None:
    rule = {"mode": "Automatic", "sourceNetworks": ["192.0.2.0/24"]}
    issued = await fleet.issue(name, uses=5, approval=rule)
    site = replicas[0]
    with edge_api(
        site.directory, lambda who: _kubeconfig(site, who), PROXY_PROTOCOL="true"
    ) as behind:
        inside = await _enrol_by_balancer(fleet, behind, issued, "192.0.2.7")
        outside = await _enrol_by_balancer(fleet, behind, issued, "198.51.100.7")

    assert inside["source-address"] == "192.0.2.7"
    evidence = json.loads(inside["approval"])["evidence"]
    assert evidence[0] == "The device connects from 192.0.2.7, which is in 192.0.2.0/24"
    assert "approval" not in outside
    assert "connects from 198.51.100.7, which is in none" in outside["approval-withheld"]


async def _enrol_by_balancer(
    fleet: Fleet, behind: Site, issued: CertificateAndKey, address: str
) -> dict[str, str]:
    """Let a device enrol over a balancer that passes on this address; return what is noted."""
    tasks: set[asyncio.Task[None]] = set()

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        theirs, ours = await asyncio.open_connection("127.0.0.1", behind.port)
        ours.write(f"PROXY TCP4 {address} 127.0.0.1 4711 {behind.port}\r\n".encode())
        tasks.add(asyncio.create_task(_copy(theirs, writer)))
        await _copy(reader, ours)

    async with await asyncio.start_server(pass_on, "127.0.0.1", 0) as balancer:
        device = fleet.device(identity=issued)
        balanced = device.at(replace(behind, port=balancer.sockets[0].getsockname()[1]))
        assert refusal(await balanced.enrol()) == (200, "")
        await balanced.close()
    for task in tasks:
        task.cancel()
    return noted(await fleet.request(device))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
    writer.close()


async def test_an_id_that_is_added_later_is_approved_with_the_next_enrolment(
    fleet: Fleet, name: str
) -> None:
    device = fleet.device(identity=await fleet.issue(name))
    await device.enrol()
    assert "approval" not in noted(await fleet.request(device))
    await fleet.specify(name, deviceIDs=[device.device_id], approval={"mode": "Automatic"})

    assert refusal(await device.enrol()) == (200, "")

    assert "approval" in noted(await fleet.request(device))
    await device.close()


async def test_a_device_that_waits_moves_to_the_batch_of_a_new_certificate_with_its_key(
    fleet: Fleet, name: str
) -> None:
    device = fleet.device()
    await device.enrol()
    labels = {"site": "south"}
    issued = await fleet.issue(
        name, deviceIDs=[device.device_id], labels=labels, approval={"mode": "Automatic"}
    )
    await device.use(issued)
    assert refusal(await device.enrol()) == (200, "")

    request = await fleet.request(device)
    assert json.loads(noted(request)["approval"])["batch"] == name
    assert noted(request)["registration-batch"] == name
    assert request is not None
    assert request["spec"]["labels"] == labels
    await device.close()


async def test_who_squats_an_id_keeps_it_from_no_device_to_which_it_was_given(
    fleet: Fleet, other: Fleet, name: str
) -> None:
    everywhere = await fleet.issue(f"{name}-all", namespaces=["default", "elsewhere"])
    squatter = other.device(f"till-{name}", everywhere)
    words = {"features": {"modelName": "stolen"}, "target_namespace": "elsewhere"}
    assert refusal(await squatter.enrol(**words)) == (200, "")
    issued = await fleet.issue(
        name, deviceIDs=[squatter.device_id], uses=1, approval={"mode": "Automatic"}
    )
    device, copy = (fleet.device(squatter.device_id, issued) for _ in range(2))

    assert refusal(await device.enrol(features={"modelName": "till"})) == (200, "")

    request = await fleet.request(device)
    assert json.loads(noted(request)["approval"])["batch"] == name
    assert request is not None
    assert request["spec"]["features"]["modelName"] == "till"
    assert request["spec"]["targetNamespace"] == "default"
    assert await enrolled(squatter, copy) == [(403, "OtherKey")] * 2
    await fleet.approve(device.device_id)
    assert refusal(await squatter.register()) == (403, "OtherKey")
    assert (await device.register()).status == 200
    await close(device, squatter)


async def test_a_message_that_somebody_repeats_gives_him_nothing(fleet: Fleet, name: str) -> None:
    issued = await fleet.issue(name, uses=1, approval={"mode": "Automatic"})
    device, thief = (fleet.device(f"till-{name}", issued) for _ in range(2))
    assert refusal(await device.enrol()) == (200, "")
    await fleet.approve(device.device_id)
    key, thief.key = thief.key, device.key  # what the messages tell of it, not the key itself
    assert refusal(await thief.enrol()) == (208, "")
    repeated = await thief.register()
    assert repeated.status == 200  # a certificate of a key that he has not
    thief.key = key
    await thief.use(issued)
    assert refusal(await thief.register()) == (403, "AlreadyRegistered")

    assert (await device.register()).status == 200
    assert len(await uses_of(fleet, name)) == 1
    await close(device, thief)


async def test_ids_and_namespaces_are_those_of_the_batch(fleet: Fleet, name: str) -> None:
    issued = await fleet.issue(name, deviceIDs=["till-*"], namespaces=["shops"])
    stranger, till = fleet.device("kiosk-1", issued), fleet.device(f"till-{name}", issued)
    assert refusal(await stranger.enrol(target_namespace="shops")) == (403, "DeviceIDNotAllowed")
    assert refusal(await till.enrol(target_namespace="default")) == (403, "NamespaceNotAllowed")
    assert refusal(await till.enrol()) == (200, "")
    request = await fleet.request(till)
    assert request is not None
    assert request["spec"]["targetNamespace"] == "shops"
    await close(stranger, till)


async def test_a_thief_with_another_key_gets_nothing_on_either_replica(
    fleet: Fleet, other: Fleet
) -> None:
    """Finding M7: the id belongs to the key that enrolled."""
    device = fleet.device()
    await device.enrol()
    thief = other.device(device.device_id)
    assert refusal(await thief.enrol()) == (403, "OtherKey")
    assert refusal(await thief.enrol(public_key_fingerprint="")) == (403, "KeyFingerprintMissing")
    await fleet.approve(device.device_id)
    assert refusal(await thief.enrol()) == (403, "OtherKey")
    assert refusal(await thief.register()) == (403, "OtherKey")

    assert refusal(await device.enrol()) == (208, "")
    assert (await device.register()).status == 200
    assert refusal(await thief.enrol()) == (403, "OtherKey")
    assert refusal(await thief.register()) == (403, "AlreadyRegistered")
    await close(device, thief)


async def test_a_request_without_a_key_takes_the_first_that_the_batch_admits(
    fleet: Fleet, other: Fleet, name: str
) -> None:
    spec = {"targetNamespace": "default", "approved": True}
    metadata = {"name": name, "namespace": "default"}
    await fleet.client.create(SIGNED_REQUEST, {"metadata": metadata, "spec": spec})
    await fleet.approve(name)
    device, thief = fleet.device(name), other.device(name)
    assert refusal(await device.register()) == (403, "KeyFingerprintMissing")

    assert refusal(await device.enrol()) == (208, "")

    assert refusal(await thief.enrol()) == (403, "OtherKey")
    assert refusal(await thief.register()) == (403, "OtherKey")
    assert (await device.register()).status == 200
    await close(device, thief)


async def test_an_agent_that_names_no_key_joins_where_its_batch_allows_it_and_that_is_told(
    fleet: Fleet, other: Fleet, name: str
) -> None:
    """Finding M7, for agents of v0.2: whoever registers first under an approved id is it."""
    issued = await fleet.issue(name, allowWithoutFingerprint=True)
    spec = {"targetNamespace": "default", "approved": True}
    metadata = {"name": name, "namespace": "default"}
    await fleet.client.create(SIGNED_REQUEST, {"metadata": metadata, "spec": spec})
    await fleet.approve(name)
    agent, thief = fleet.device(name, issued), other.device(name, issued)
    assert refusal(await agent.enrol(public_key_fingerprint="")) == (208, "")
    assert (await agent.register()).status == 200

    events = await fleet.client.list(EVENT, "default")
    told = [event for event in events if event["involvedObject"]["name"] == name]
    assert "KeyNotBound" in {event["reason"] for event in told}
    assert refusal(await thief.enrol()) == (403, "OtherKey")
    assert refusal(await thief.enrol(public_key_fingerprint="")) == (208, "")
    assert refusal(await thief.register()) == (403, "AlreadyRegistered")
    await close(agent, thief)


async def test_devices_that_race_for_an_id_are_one(fleet: Fleet, other: Fleet) -> None:
    name = f"raced-{uuid.uuid4().hex[:8]}"
    rivals = [site.device(name) for site in (fleet, other) * 4]

    answers = await enrolled(*rivals)

    assert sorted(answers) == [(200, ""), *[(403, "OtherKey")] * 7]


async def test_a_device_made_by_hand_joins_after_an_approval_and_keeps_what_it_has(
    fleet: Fleet, name: str
) -> None:
    """Finding M9."""
    labels = {"site": "made"}
    metadata = {"name": name, "namespace": "default", "labels": labels}
    made = await fleet.client.create(EDGE_DEVICE, {"metadata": metadata, "spec": {}})
    issued = await fleet.issue(name, labels={"site": "batch"})
    device = fleet.device(name, issued)

    assert refusal(await device.enrol()) == (200, "")
    assert refusal(await device.register()) == (404, "NotApproved")
    approval = {"spec": {"approved": True}}
    await fleet.client.merge_patch(SIGNED_REQUEST, name, "default", approval)
    assert refusal(await device.enrol()) == (208, "")
    assert (await device.register(hostname="made")).status == 200

    found = await fleet.get(device)
    assert found["metadata"]["uid"] == made["metadata"]["uid"]
    assert found["metadata"]["labels"] == {"site": "made", "device.hostname": "made"}
    assert (await device.beat()).status == 200
    await device.close()


async def test_a_one_time_batch_that_two_devices_race_for_admits_one(
    fleet: Fleet, other: Fleet, name: str
) -> None:
    issued = await fleet.issue(name, uses=1, approval={"mode": "Automatic"})
    rivals = [site.device(identity=issued) for site in (fleet, other) * 3]

    answers = await enrolled(*rivals)

    assert sorted(answers) == [(200, ""), *[(403, "RegistrationBatchExhausted")] * 5]
    winner = rivals[answers.index((200, ""))]
    assert await uses_of(fleet, name) == {f"{name}-1": winner.device_id}
    assert await enrolled(winner) == [(200, "")]  # a repeat takes no new use
    late = other.device(identity=issued)
    assert await enrolled(late) == [(403, "RegistrationBatchExhausted")]
    assert await fleet.request(late) is None


async def test_uses_of_a_manual_batch_are_claimed_before_the_certificate(
    fleet: Fleet, other: Fleet, name: str
) -> None:
    issued = await fleet.issue(name, uses=2)
    devices = [site.device(identity=issued) for site in (fleet, other) * 2]
    for device in devices:
        assert (await device.enrol()).status == 200
        await fleet.approve(device.device_id)

    replies = await asyncio.gather(*(device.register() for device in devices))

    assert sorted(map(refusal, replies)) == [
        (200, ""),
        (200, ""),
        *[(403, "RegistrationBatchExhausted")] * 2,
    ]
    assert len(await uses_of(fleet, name)) == 2
    member = next(
        device for device, reply in zip(devices, replies, strict=True) if reply.status == 200
    )
    await member.use(issued)
    assert (await member.register()).status == 200  # the response was lost
    assert len(await uses_of(fleet, name)) == 2
    await close(*devices)


async def test_the_count_survives_a_restart(
    replicas: tuple[Site, Site], fleet: Fleet, name: str
) -> None:
    issued = await fleet.issue(name, uses=1, approval={"mode": "Automatic"})
    assert await enrolled(fleet.device(identity=issued)) == [(200, "")]
    site = replicas[0]
    with edge_api(site.directory, lambda who: _kubeconfig(site, who)) as fresh:
        async with fleet_of(fresh) as restarted:
            late = restarted.device(identity=issued)
            assert await enrolled(late) == [(403, "RegistrationBatchExhausted")]


def _kubeconfig(site: Site, who: str) -> Any:
    return site.kubeconfig if who == "admin" else site.environment["KUBECONFIG"]


@pytest.mark.parametrize("end", ["revoked", "expired", "deleted"])
async def test_an_ended_batch_admits_nobody_on_either_replica_at_once(
    fleet: Fleet, other: Fleet, name: str, end: str
) -> None:
    issued = await fleet.issue(name)
    waiting = fleet.device(identity=issued)
    assert (await waiting.enrol()).status == 200
    await fleet.approve(waiting.device_id)
    now = format_time(datetime.now(UTC))
    reason = (403, "RegistrationRevoked")
    if end == "deleted":
        await fleet.client.delete(SECRET, name, "flotta")
    elif end == "expired":
        await fleet.specify(name, expires=now)
        reason = (401, "CertificateExpired")
    else:
        await fleet.specify(name, revoked={"at": now, "by": "eve", "reason": "stolen"})

    # With the very next request, whatever the watches have told.
    late, elsewhere = fleet.device(identity=issued), other.device(identity=issued)
    assert await enrolled(late, elsewhere, waiting) == [reason] * 3
    assert refusal(await waiting.at(other.site).register()) == reason
    assert refusal(await waiting.register()) == reason
    await waiting.close()


async def test_a_revoked_batch_loses_its_key_and_an_old_one_goes_with_its_uses(
    engine: str,
    fleet: Fleet,
    client_of_edge_api: Client,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    issued = await fleet.issue(name, uses=1, approval={"mode": "Automatic"})
    assert await enrolled(fleet.device(identity=issued)) == [(200, "")]
    now = datetime.now(UTC)
    await fleet.specify(name, uses=1, revoked={"at": format_time(now)})

    async def has_no_key() -> bool:
        return "client.key" not in (await fleet.batch(name))["data"]

    await eventually(has_no_key)
    await fleet.specify(name, revoked={"at": format_time(now - timedelta(days=31))})

    async def read_authority() -> Authority:
        return fleet.authority

    # With the rights of the servers, which would look for a day.
    monkeypatch.setattr("flotta.edge_api.requested_certificates.REMOVAL_DELAY", 0.0)
    secrets = Secrets(client_of_edge_api, "flotta", Cache(client_of_edge_api, SECRET))
    await RequestedCertificates(secrets, read_authority).keep(name)

    with pytest.raises(NotFound):
        await fleet.batch(name)
    if engine == "embedded":  # on Kubernetes the garbage collector does it, which no test runs

        async def is_unused() -> bool:
            return await uses_of(fleet, name) == {}

        await eventually(is_unused)


async def test_a_certificate_of_no_batch_is_refused(fleet: Fleet) -> None:
    """Of the right authority, but nobody's: what a deleted Secret leaves on devices."""
    stranger = fleet.device(identity=fleet.authority.issue_registration(["default"]))
    assert await enrolled(stranger) == [(403, "RegistrationRevoked")]
    assert await fleet.request(stranger) is None


async def test_a_secret_of_an_earlier_release_is_an_unlimited_batch(
    fleet: Fleet, client_of_edge_api: Client, name: str
) -> None:
    issued = fleet.authority.issue_registration(["default"])
    secrets = Secrets(client_of_edge_api, "flotta", Cache(client_of_edge_api, SECRET))
    data = {"client.crt": issued.certificate, "client.key": issued.key}
    await secrets.create(name, data, registration=True)
    device = fleet.device(identity=issued)

    assert refusal(await device.enrol()) == (200, "")
    without = fleet.device(identity=issued)
    assert refusal(await without.enrol(public_key_fingerprint="")) == (403, "KeyFingerprintMissing")
    assert noted(await fleet.request(device))["registration-batch"] == name
    await close(device, without)


@pytest.fixture
async def client_of_edge_api(replicas: tuple[Site, Site]) -> AsyncIterator[Client]:
    async with await Client.connect(replicas[0].environment["KUBECONFIG"]) as opened:
        yield opened


async def test_a_batch_that_becomes_invalid_admits_nobody(fleet: Fleet, name: str) -> None:
    issued = await fleet.issue(name)
    await fleet.specify(name, colour="red")
    assert await enrolled(fleet.device(identity=issued)) == [(403, "RegistrationBatchInvalid")]
