"""An agent of v0.2 joins, works, renews and goes, on the CA that v0.2 has left."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from edge_site import Fleet
from raw_requests import RawResponse

from contract.edge_api.conftest import MakeAgent
from flotta.resources.kinds import EDGE_DEVICE, EDGE_WORKLOAD, EVENT
from v02.gateway import ZERO_TIME, FormerGateway, event
from waiting import eventually

MESSAGES = Path(__file__).parents[2] / "data" / "messages"
POD = {"spec": {"containers": [{"name": "web", "image": "localhost/web:1"}]}}


def new_name() -> str:
    return f"old-{uuid.uuid4().hex[:12]}"


def recorded(name: str) -> dict[str, Any]:
    message: dict[str, Any] = json.loads((MESSAGES / f"{name}.json").read_text())
    return message


def is_empty(response: RawResponse, status: int = 200) -> bool:
    return (response.status, response.body) == (status, b"")


async def joined(fleet: Fleet, device: FormerGateway, **labels: str) -> FormerGateway:
    assert is_empty(await device.enrol(hardware={"hostname": "old"}))
    await fleet.approve(device.device_id, **labels)
    assert is_empty(await device.enrol(hardware={"hostname": "old"}), 208)
    assert (await device.register(hostname="old")).status == 200
    return device


async def test_the_recorded_messages_are_answered_as_v02_does(
    former_fleet: Fleet, agent: MakeAgent
) -> None:
    device = agent(new_name())

    assert is_empty(await device.post("data", recorded("from-agent-enrolment")))
    early = await device.post("data", recorded("from-agent-registration"))
    assert (early.status, early.reason) == (404, "NotApproved")
    refused = await device.post("control", recorded("from-agent-connection-status"))
    assert refused.status == 401  # as recorded: the certificate is for registration only
    await former_fleet.approve(device.device_id)
    assert is_empty(await device.post("data", recorded("from-agent-enrolment")), 208)
    answer = await device.post("data", recorded("from-agent-registration"))
    assert list(answer.json()) == ["directive", "message_id", "content"]
    assert answer.json()["message_id"] == recorded("from-agent-registration")["message_id"]
    # The recorded key is gone: only the agent that recorded it could carry on.
    events = await former_fleet.client.list(EVENT, "default")
    unbound = [item for item in events if item["reason"] == "KeyNotBound"]
    assert device.device_id in [item["involvedObject"]["name"] for item in unbound]


@pytest.mark.parametrize("key_type", ["EC", "RSA"])
async def test_it_joins_with_a_key_of_either_type(
    former_fleet: Fleet, agent: MakeAgent, key_type: str
) -> None:
    device = agent(new_name(), key_type)
    assert is_empty(await device.enrol())  # without hardware: v0.2 only needs `features`
    await former_fleet.approve(device.device_id)
    answer = await device.register()

    content = answer.json()["content"]
    certificate = x509.load_pem_x509_certificate(content["certificate"].encode())
    assert content["certificate"].count("BEGIN CERTIFICATE") == 1
    names = {attribute.oid: attribute.value for attribute in certificate.subject}
    assert names == {
        NameOID.COMMON_NAME: device.device_id,
        NameOID.ORGANIZATION_NAME: "flotta-operator",
        NameOID.ORGANIZATIONAL_UNIT_NAME: "default",
    }
    assert (await device.get("data")).status == 200
    assert answer.headers["content-type"].startswith("application/json")


async def test_its_recorded_reports_are_stored(former_fleet: Fleet, agent: MakeAgent) -> None:
    device = await joined(former_fleet, agent(new_name()))

    for name in ("plain", "hardware", "workload"):
        assert is_empty(await device.post("data", recorded(f"from-agent-heartbeat-{name}")))
    connected = await device.post("control", recorded("from-agent-connection-status"))
    assert (connected.status, connected.body) == (200, b"")
    playbooks = (await device.post("data", recorded("from-agent-ansible"))).json()
    assert playbooks["directive"] == "ansible"
    assert playbooks["content"] == "[]"  # a string, and never an empty body: the agent would stop
    assert set(playbooks["metadata"]) == {
        "message-id",
        "crc_dispatcher_correlation_id",
        "return_url",
    }
    status = (await former_fleet.client.get(EDGE_DEVICE, device.device_id, "default"))["status"]
    assert status["hardware"]["hostname"] == "edge1"
    assert status["hardware"]["cpu"]["architecture"] == "x86_64"
    assert status["hardware"]["hostDevices"][0]["deviceType"] == "c"


async def test_its_configuration_has_all_that_it_dereferences(
    former_fleet: Fleet, agent: MakeAgent
) -> None:
    name = new_name()
    device = await joined(former_fleet, agent(name), room=name)
    selector = {"matchLabels": {"room": name}}
    spec = {"type": "pod", "deviceSelector": selector, "pod": POD}
    metadata = {"name": name, "namespace": "default"}
    await former_fleet.client.create(EDGE_WORKLOAD, {"metadata": metadata, "spec": spec})

    async def configured() -> dict[str, Any] | None:
        response = await device.get("data")
        message: dict[str, Any] = response.json()
        return message if message["content"].get("workloads") else None

    message = await eventually(configured)
    assert {"type": "data", "directive": "device", "version": 1}.items() <= message.items()
    configuration = message["content"]["configuration"]
    assert configuration["heartbeat"] == {"hardware_profile": {}, "period_seconds": 60}
    receiver = configuration["metrics"]["receiver"]
    assert min(receiver["timeout_seconds"], receiver["request_num_samples"]) > 0
    (workload,) = message["content"]["workloads"]
    assert (workload["name"], workload["namespace"]) == (name, "default")
    assert "image: localhost/web:1" in workload["specification"]
    beat = await device.beat(
        version=message["content"]["version"],
        workloads=[{"name": name, "status": "Running", "last_data_upload": ZERO_TIME}],
    )
    assert is_empty(beat)
    status = (await former_fleet.client.get(EDGE_DEVICE, name, "default"))["status"]
    assert status["lastSyncedResourceVersion"] == message["content"]["version"]


async def test_a_poll_without_a_command_is_an_empty_200(
    former_fleet: Fleet, agent: MakeAgent
) -> None:
    device = await joined(former_fleet, agent(new_name()))
    response = await device.get("control")
    assert is_empty(response)
    assert response.headers["content-length"] == "0"
    assert response.headers["content-type"] == "application/json"
    assert "content-encoding" not in response.headers  # although Go offers gzip


async def test_it_renews_with_its_own_certificate(former_fleet: Fleet, agent: MakeAgent) -> None:
    device = await joined(former_fleet, agent(new_name()))
    first = device.identity
    assert (await device.register()).status == 200
    assert device.identity != first
    assert (await device.get("control")).status == 200


async def test_its_deletion_is_the_recorded_disconnect(
    former_fleet: Fleet, agent: MakeAgent
) -> None:
    device = await joined(former_fleet, agent(new_name()))
    stored = await former_fleet.client.get(EDGE_DEVICE, device.device_id, "default")
    await former_fleet.client.delete(EDGE_DEVICE, device.device_id, "default")
    await former_fleet.bury(stored)

    async def commanded() -> dict[str, Any] | None:
        response = await device.get("control")
        return response.json() if response.body and response.status == 200 else None

    command = await eventually(commanded)
    example = recorded("to-agent-disconnect")
    assert command["content"] == example["content"] == {"command": "disconnect", "arguments": None}
    assert set(example) - {"response_to", "metadata"} <= set(command)
    gone = await device.get("data")
    assert (gone.status, gone.reason) == (403, "DeviceDecommissioned")
    assert is_empty(await device.post("control", event("disconnect", command["message_id"])))
