"""Statuses, headers and bodies that agents of v0.2 see.

Where v0.2 answered otherwise, that was a defect of it, and the line says which answer it gave.
"""

from __future__ import annotations

import json
import uuid
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from edge_site import Fleet
from raw_requests import RawResponse

from contract.edge_api.conftest import MakeAgent
from contract.edge_api.test_life import is_empty, joined, new_name
from edge_api_document import operations, resolved, validator
from flotta.identity.authority import CertificateAndKey
from flotta.resources.kinds import EDGE_DEVICE
from v02.gateway import FormerGateway, data_message, event, request_of
from v02.pki import FormerAuthority, key_pem, new_key

DOCUMENTED = {
    (path.split("/")[1], path.rsplit("/")[-1]): {
        int(status): resolved(response) for status, response in operation["responses"].items()
    }
    for _, path, operation in operations()
}


def outcome(response: RawResponse, channel: str, way: str) -> tuple[int, str]:
    """Return status and reason; the response must be one that the document has."""
    assert response.status in DOCUMENTED[channel, way]
    if response.status < 400:
        return response.status, ""
    assert response.headers["content-type"].startswith("application/json")
    body = response.json()  # JSON: a gateway of v0.2 drops a response with anything else
    validator("Refusal").validate(body)
    named = json.dumps(DOCUMENTED[channel, way][response.status])
    assert f'"{body["reason"]}"' in named
    return response.status, body["reason"]


def signed(
    former: FormerAuthority, device_id: str, namespace: str = "default", **period: timedelta
) -> CertificateAndKey:
    """Return a device certificate as the control plane of v0.2 has issued it before."""
    key = new_key("EC")
    request = x509.load_pem_x509_csr(request_of(key, device_id).encode())
    return CertificateAndKey(former.device(request, device_id, namespace, **period), key_pem(key))


async def known(fleet: Fleet, agent: MakeAgent, former: FormerAuthority) -> FormerGateway:
    """Return a device that registered while v0.2 was there: EdgeDevice and certificate are old."""
    device = agent(new_name())
    created = await fleet.approve(device.device_id)
    registered = {"metadata": {"labels": {"edgedeviceSignedRequest": None}}}
    await fleet.client.merge_patch(EDGE_DEVICE, created["metadata"]["name"], "default", registered)
    device.identity = signed(former, device.device_id)
    return device


async def every_answer(device: FormerGateway) -> dict[str, tuple[int, str]]:
    """Return what each kind of request gets."""
    return {
        "control/in": outcome(await device.get("control"), "control", "in"),
        "data/in": outcome(await device.get("data"), "data", "in"),
        "control/out": outcome(await device.post("control", event("pong")), "control", "out"),
        "enrolment": outcome(await device.enrol(), "data", "out"),
        "heartbeat": outcome(await device.beat(), "data", "out"),
        "ansible": outcome(await device.send("ansible", None), "data", "out"),
    }


async def test_a_certificate_of_v02_does_what_it_did(
    former_fleet: Fleet, agent: MakeAgent, former: FormerAuthority
) -> None:
    device = await known(former_fleet, agent, former)
    assert await every_answer(device) == {
        "control/in": (200, ""),
        "data/in": (200, ""),
        "control/out": (200, ""),
        "enrolment": (208, ""),
        "heartbeat": (200, ""),
        "ansible": (200, ""),  # v0.2: 500, there is no playbook
    }
    assert (await device.register()).status == 200


async def test_a_registration_certificate_enrols_and_registers_only(
    former_fleet: Fleet, agent: MakeAgent
) -> None:
    device = agent(new_name())
    assert await every_answer(device) == {
        "control/in": (401, "RegistrationOnly"),
        "data/in": (401, "RegistrationOnly"),
        "control/out": (401, "RegistrationOnly"),
        "enrolment": (200, ""),
        "heartbeat": (403, "RegistrationOnly"),
        "ansible": (403, "RegistrationOnly"),
    }


async def test_an_expired_certificate_only_registers_again(
    former_fleet: Fleet, agent: MakeAgent, former: FormerAuthority
) -> None:
    device = await known(former_fleet, agent, former)
    ended = {"begin": timedelta(minutes=-9), "end": timedelta(minutes=-1)}
    device.identity = signed(former, device.device_id, **ended)
    expired = (401, "CertificateExpired")
    assert await every_answer(device) == dict.fromkeys(  # v0.2: 200 to heartbeat and ansible
        ("control/in", "data/in", "control/out", "enrolment", "heartbeat", "ansible"), expired
    )
    assert (await device.register()).status == 200
    assert (await device.get("data")).status == 200


async def test_a_device_is_not_another_one(
    former_fleet: Fleet, agent: MakeAgent, former: FormerAuthority
) -> None:
    device = await known(former_fleet, agent, former)
    device.identity = signed(former, f"not-{device.device_id}")
    foreign = (403, "OtherDevice")
    assert set((await every_answer(device)).values()) == {foreign}  # v0.2: enrolment 200


async def test_the_server_certificate_of_v02_is_no_device(
    former_fleet: Fleet, agent: MakeAgent, former: FormerAuthority
) -> None:
    device = agent(new_name())
    device.identity = former.server()  # CN `*`, for clientAuth too; v0.2: the device `*`
    assert set((await every_answer(device)).values()) == {(401, "CertificateNotAccepted")}


async def test_a_device_that_nobody_knows_keeps_running(
    former_fleet: Fleet, agent: MakeAgent, former: FormerAuthority
) -> None:
    device = agent(new_name())
    device.identity = signed(former, device.device_id)
    unknown = (404, "UnknownDevice")
    assert await every_answer(device) == {
        "control/in": unknown,  # v0.2: `disconnect`, which removes everything
        "data/in": unknown,
        "control/out": (200, ""),
        "enrolment": (403, "UnknownDevice"),
        "heartbeat": unknown,
        "ansible": unknown,
    }


async def test_registrations_that_are_refused(
    former_fleet: Fleet, agent: MakeAgent, former: FormerAuthority
) -> None:
    device = agent(new_name())

    async def refusal(content: Any) -> tuple[int, str]:
        return outcome(await device.send("registration", content), "data", "out")

    right = {"certificate_request": request_of(new_key("EC"), device.device_id)}
    invalid = (400, "InvalidCertificateRequest")
    assert await refusal({}) == invalid
    assert await refusal({"certificate_request": "no PEM"}) == invalid
    assert await refusal([]) == (400, "InvalidMessage")
    assert await refusal(right) == (404, "NotEnrolled")
    assert is_empty(await device.enrol())
    assert await refusal(right) == (404, "NotApproved")
    await former_fleet.approve(device.device_id)
    first = device.identity
    assert (await device.register()).status == 200
    device.identity = first
    assert await refusal(right) == (403, "AlreadyRegistered")  # v0.2: 500


async def test_namespaces_are_those_of_the_certificate(
    former_fleet: Fleet, agent: MakeAgent, former: FormerAuthority
) -> None:
    device = agent(new_name())
    refused = outcome(await device.enrol(namespace="kube-system"), "data", "out")
    assert refused == (403, "NamespaceNotAllowed")  # v0.2: the device chooses any
    elsewhere = agent(new_name())
    await former_fleet.approve(elsewhere.device_id)
    elsewhere.identity = signed(former, elsewhere.device_id, "plant-7")
    assert outcome(await elsewhere.get("data"), "data", "in") == (404, "UnknownDevice")


CASES: tuple[tuple[str, bytes, tuple[int, int]], ...] = (
    ("no body", b"", (422, 602)),
    ("no JSON", b"{", (400, 400)),
    ("unknown type", b'{"type":"chatter"}', (422, 606)),
    ("no date-time", b'{"type":"data","sent":"yesterday"}', (400, 400)),
    ("unknown directive", json.dumps(data_message("return_url", "x")).encode(), (400, 400)),
    ("no directive", json.dumps(data_message("", None)).encode(), (400, 400)),
    ("a list as heartbeat", json.dumps(data_message("heartbeat", [])).encode(), (400, 400)),
)


@pytest.fixture
async def member(former_fleet: Fleet, agent: MakeAgent) -> FormerGateway:
    return await joined(former_fleet, agent(new_name()))


async def test_errors_of_the_framework_have_its_codes(member: FormerGateway) -> None:
    for name, body, expected in CASES:
        response = await member.post("data", body)
        outcome(response, "data", "out")
        assert (response.status, response.json()["code"]) == expected, name


async def test_errors_of_headers_and_paths_have_its_codes(member: FormerGateway) -> None:
    typed = await member.post("data", data_message("heartbeat", {}), Content_Type="text/plain")
    assert (typed.status, typed.json()["code"]) == (415, 415)
    unacceptable = await member.get("control", Accept="text/html")
    assert (unacceptable.status, unacceptable.json()["code"]) == (406, 406)
    missing = await member.get("elsewhere")
    assert (missing.status, missing.json()["code"]) == (404, 404)
    wrong = await member._exchange("GET", f"data/{member.device_id}/out", b"", {})
    assert (wrong.status, wrong.json()["code"], wrong.headers["allow"]) == (405, 405, "POST")


@pytest.mark.parametrize(
    "change",
    [
        {"type": ""},
        {"type": None, "sent": None},
        {"sent": "2026-01-10T09:00:00.123456789+01:00"},
        {"sent": "2026-01-10T09:00:00+0100"},
        {"sent": "2026-01-10T09:00:00"},
        {"sent": "0001-01-01T00:00:00.000Z"},
        {"sent": ""},
        {"message_id": "", "response_to": "", "version": 0},
        {"metadata": {"ansible": "x"}},
        {"content": None},
        {"content": {"STATUS": "up", "Playbook-Executions": [], "WORKLOADS": None}},
        {"content": {"workloads": [None], "hardware": {"mounts": [None], "disks": None}}},
        {"content": {"hardware": {"cpu": {"flags": None}, "interfaces": [{"flags": None}]}}},
        {"content": {"workloads": [{"name": "w", "last_data_upload": ""}]}},
        {"content": {"unknown": {"a": [1]}}},
    ],
    ids=lambda change: json.dumps(change)[:40],
)
async def test_envelopes_and_contents_of_every_form_are_read(
    member: FormerGateway, change: dict[str, Any]
) -> None:
    message = data_message("heartbeat", {"status": "up"})
    message.update(change)
    for name in [name for name in ("type", "sent") if message[name] is None]:
        del message[name]
    assert is_empty(await member.post("data", message))


async def test_names_of_an_envelope_count_in_any_case(
    former_fleet: Fleet, member: FormerGateway
) -> None:
    message = data_message("heartbeat", {"Version": "v7", "STATUS": "up"})
    odd = {name.capitalize(): value for name, value in message.items()}
    assert is_empty(await member.post("data", odd))
    status = (await former_fleet.client.get(EDGE_DEVICE, member.device_id, "default"))["status"]
    assert status["lastSyncedResourceVersion"] == "v7"


async def test_control_out_takes_everything(member: FormerGateway) -> None:
    for message in (event("pong"), event("disconnect"), data_message("heartbeat", {})):
        assert is_empty(await member.post("control", message))
    command = {"type": "command", "message_id": str(uuid.uuid4()), "content": {"command": "ping"}}
    assert is_empty(await member.post("control", command))
    assert (await member.get("control")).status == 200  # nothing of it was an order
