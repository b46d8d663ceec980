"""Registration batches by module and command, with an Edge API that issues them."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from edge_site import Device, Fleet, Site, edge_site, fleet_of
from test_modules import run, run_and_register

from administrator import flotta
from flotta.identity.authority import CertificateAndKey
from flotta.identity.lifetime import covered_names
from flotta.own_names import SERVER_ERROR_ANNOTATION
from flotta.resources.kinds import SECRET, SIGNED_REQUEST
from flotta.resources.views import annotations_of
from waiting import eventually

MODULE = "registration_certificate"
RULE = {"mode": "automatic", "hardware": {"cpu.architecture": "aarch64"}}
WANTED = {"name": "berlin", "uses": 2, "device_ids": ["cam-*"], "approval": RULE}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with edge_site(tmp_path_factory.mktemp("registration")) as started:
        yield started


@pytest_asyncio.fixture
async def fleet(site: Site) -> AsyncIterator[Fleet]:
    async with fleet_of(site) as fleet:
        yield fleet


def identity_of(answer: dict[str, Any]) -> CertificateAndKey:
    return CertificateAndKey(answer["certificate"].encode(), answer["key"].encode())


async def status_of(device: Device) -> tuple[int, str]:
    """Return status and reason of an enrolment."""
    try:
        reply = await device.enrol()
        return reply.status, reply.json()["reason"] if reply.status >= 400 else ""
    finally:
        await device.close()


async def test_batch_is_issued_changed_ended_and_removed(
    site: Site, fleet: Fleet, tmp_path: Path
) -> None:
    def ask(**more: Any) -> dict[str, Any]:
        return run_and_register(MODULE, site.kubeconfig, tmp_path, **{**WANTED, **more})

    checked = run(MODULE, site.kubeconfig, check=True, **WANTED)
    assert checked["changed"]
    assert await fleet.client.get_or_none(SECRET, "berlin", "flotta") is None
    issued = ask()
    assert issued["changed"]
    assert issued["ca"] == fleet.authority.certificate_pem.decode()
    # No task has no_log here.
    assert "PRIVATE KEY" in issued["key"]
    assert "PRIVATE KEY" not in issued["told"]
    assert issued["key"].splitlines()[1] not in issued["told"]
    again = ask()
    assert (again["changed"], again["certificate"]) == (False, issued["certificate"])
    assert await status_of(fleet.device("till-1", identity_of(issued))) == (
        403,
        "DeviceIDNotAllowed",
    )
    assert (await status_of(fleet.device("cam-1", identity_of(issued))))[0] == 200
    request = await fleet.request(fleet.device("cam-1"))
    assert request is not None
    annotations = request["metadata"]["annotations"]
    assert annotations["management.project-flotta.io/registration-batch"] == "berlin"

    wider = ask(device_ids=["*"])
    assert wider["changed"]
    assert (await status_of(fleet.device("till-1", identity_of(wider))))[0] == 200
    wrong = run(MODULE, site.kubeconfig, **{**WANTED, "uses": 100001})
    assert "uses is not a whole number from 1 to 100000" in wrong["msg"]

    moved = ask(namespaces=["shops"])
    assert moved["certificate"] != issued["certificate"]
    (batch,) = run("registration_certificate_info", site.kubeconfig, name="berlin")["batches"]
    assert (batch["state"], batch["specification"]["namespaces"]) == ("active", ["shops"])

    assert run(MODULE, site.kubeconfig, name="berlin", state="revoked")["changed"]
    for identity in (issued, moved):  # the former certificate as well
        device = fleet.device("cam-2", identity_of(identity))
        assert await status_of(device) == (403, "RegistrationRevoked")
    assert run(MODULE, site.kubeconfig, name="berlin", state="absent")["changed"]
    gone = run(MODULE, site.kubeconfig, name="berlin", state="absent")
    assert not gone["changed"]


async def test_hosts_that_ask_at_once_get_one_certificate(site: Site, tmp_path: Path) -> None:
    folders = [tmp_path / name for name in "ab"]
    for folder in folders:
        folder.mkdir()
    answers = await asyncio.gather(
        *(
            asyncio.to_thread(
                run_and_register, MODULE, site.kubeconfig, folder, namespace="shops", uses=9
            )
            for folder in folders
        )
    )
    assert len({answer["certificate"] for answer in answers}) == 1


async def test_device_that_joined_needs_no_registration_certificate(
    site: Site, fleet: Fleet, tmp_path: Path
) -> None:
    device = await fleet.joined()
    assert device.identity is not None
    own = device.identity.certificate.decode()
    await device.close()
    wanted = {"name": "device-1", "device_ids": [device.device_id], "uses": 1}

    def ask(module: str = MODULE) -> dict[str, Any]:
        return run(module, site.kubeconfig, device_certificate=own, **wanted)

    answer = ask()
    assert (answer["changed"], answer["needed"]) == (False, False)
    assert answer["ca"] == fleet.authority.certificate_pem.decode()
    assert await fleet.client.get_or_none(SECRET, "device-1", "flotta") is None


async def test_batch_with_a_spent_use_is_replaced(site: Site, fleet: Fleet, tmp_path: Path) -> None:
    wanted = {"name": "device-2", "device_ids": ["till-9"], "uses": 1, "reopen": True}
    rule = {"mode": "automatic"}

    def ask() -> dict[str, Any]:
        return run_and_register(MODULE, site.kubeconfig, tmp_path, approval=rule, **wanted)

    first = ask()
    assert (await status_of(fleet.device("till-9", identity_of(first))))[0] == 200
    assert not ask()["changed"]  # the approval ends with the batch
    await fleet.client.delete(SIGNED_REQUEST, "till-9", "default")
    second = ask()
    assert second["certificate"] != first["certificate"]
    assert await status_of(fleet.device("till-9", identity_of(first))) == (
        403,
        "RegistrationRevoked",
    )
    assert not ask()["changed"]


async def test_command_writes_what_a_device_joins_with_and_ends_it(
    site: Site, fleet: Fleet, tmp_path: Path
) -> None:
    stick = tmp_path / "stick"
    issue = ("registration", "issue", "sticks", "--uses", "1", "--device-id", "cam-*")
    done = flotta(site.kubeconfig, *issue, "--output", str(stick))
    assert done.returncode == 0, done.stderr
    assert "sticks is issued, until" in done.stdout
    assert "PRIVATE" not in done.stdout
    assert (stick / "client.key").stat().st_mode & 0o777 == 0o600
    assert (stick / "ca.crt").read_bytes() == fleet.authority.certificate_pem
    given = CertificateAndKey(
        (stick / "client.crt").read_bytes(), (stick / "client.key").read_bytes()
    )
    device = fleet.device("cam-7", given)
    assert (await device.enrol()).status == 200
    await fleet.approve("cam-7")
    assert (await device.register()).status == 200
    await device.close()
    assert await status_of(fleet.device("cam-8", given)) == (403, "RegistrationBatchExhausted")
    (row,) = [
        row
        for row in json.loads(flotta(site.kubeconfig, "registration", "list", "-o", "json").stdout)
        if row["name"] == "sticks"
    ]
    assert (row["state"], row["uses_taken"], row["uses"]) == ("used up", 1, 1)

    assert flotta(site.kubeconfig, "registration", "revoke", "sticks").returncode == 0
    assert await status_of(fleet.device("cam-7", given)) == (403, "RegistrationRevoked")

    async def has_no_key() -> bool:
        return "client.key" not in (await fleet.batch("sticks"))["data"]

    await eventually(has_no_key)
    again = flotta(site.kubeconfig, "registration", "issue", "sticks")
    assert "the registration batch sticks is revoked; choose another name" in again.stderr
    past = ("registration", "issue", "past", "--expires", "2020-01-01T00:00:00Z")
    assert "which has passed" in flotta(site.kubeconfig, *past).stderr
    assert await fleet.client.get_or_none(SECRET, "past", "flotta") is None


async def test_what_is_wrong_with_a_batch_is_said_by_the_edge_api(site: Site, fleet: Fleet) -> None:
    await fleet.client.create(
        SECRET,
        {
            "metadata": {"name": "odd", "namespace": "flotta", "labels": {"reg-client-ca": "true"}},
            "data": {"batch": "e30tLS0="},  # {}---
        },
    )

    async def is_told() -> bool:
        return "management.project-flotta.io/batch-error" in (await fleet.batch("odd"))[
            "metadata"
        ].get("annotations", {})

    await eventually(is_told)
    done = flotta(site.kubeconfig, "registration", "issue", "odd")
    assert "RegistrationBatchInvalid" in done.stderr
    for action, said in (("revoke", "odd is revoked"), ("remove", "odd is removed")):
        assert said in flotta(site.kubeconfig, "registration", action, "odd").stdout
    assert await fleet.client.get_or_none(SECRET, "odd", "flotta") is None


async def test_another_server_gets_its_certificate_by_module_and_command(
    site: Site, fleet: Fleet, tmp_path: Path
) -> None:
    wanted = {"name": "store", "names": ["store.example", "192.0.2.7"]}
    checked = run("server_certificate", site.kubeconfig, check=True, **wanted)
    assert (checked["changed"], checked["key"]) == (True, "")
    assert await fleet.client.get_or_none(SECRET, "store", "flotta") is None
    issued = run_and_register("server_certificate", site.kubeconfig, tmp_path, **wanted)
    assert issued["changed"]
    assert issued["ca"] == fleet.authority.certificate_pem.decode()
    assert covered_names(issued["certificate"]) == {"store.example", "192.0.2.7"}
    # No task has no_log here.
    assert "PRIVATE KEY" in issued["key"]
    assert "PRIVATE KEY" not in issued["told"]
    assert issued["key"].splitlines()[1] not in issued["told"]

    folder = tmp_path / "store"
    names = ("--server", "192.0.2.7,store.example", "--name", "store")
    said = flotta(site.kubeconfig, "certificates", "issue", *names, "--output", str(folder)).stdout
    assert said.startswith("store is issued for store.example, 192.0.2.7, until ")
    assert (folder / "server.crt").read_text() == issued["certificate"]
    assert "other server   store" in flotta(site.kubeconfig, "certificates").stdout

    secret = await fleet.client.get(SECRET, "store", "flotta")
    wrong = {"request": b64encode(b'{"names": []}').decode()}
    await fleet.client.merge_patch(SECRET, "store", "flotta", {"data": wrong})

    async def noted() -> str:
        found = await fleet.client.get(SECRET, "store", "flotta")
        return annotations_of(found).get(SERVER_ERROR_ANNOTATION, "")

    problem = "ServerRequestInvalid: there are 0 names; give 1 to 64"
    assert await eventually(noted) == problem
    kept = await fleet.client.get(SECRET, "store", "flotta")
    assert kept["data"]["server.crt"] == secret["data"]["server.crt"]
    removed = run("server_certificate", site.kubeconfig, name="store", state="absent")
    assert removed["changed"]
    assert await fleet.client.get_or_none(SECRET, "store", "flotta") is None
