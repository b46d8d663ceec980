"""Edge API and operator together: who becomes a member, and what is known about the decision."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack

import pytest
from device_storage_site import reasons
from edge_site import Device, Fleet, edge_api, fleet_of
from edge_site import Site as EdgeSite
from operator_site import Site, resource_api, running_operator

from administrator import flotta
from flotta.fleet.registration_batches import BATCH_LABEL
from flotta.identity.keys import public_key_fingerprint
from flotta.protocol.console_code import console_code
from flotta.resources.kinds import CONFIG_MAP, EDGE_DEVICE, SIGNED_REQUEST
from waiting import eventually


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EdgeSite]:
    directory = tmp_path_factory.mktemp("rule")
    with ExitStack() as stack:
        access = stack.enter_context(resource_api(directory, "embedded"))
        operator = Site(directory, directory / "operator.log", None, access)
        default = {"AUTO_APPROVAL_PROCESS": ""}  # other tests of the operator approve everybody
        settings = {**default, "OBC_AUTO_CREATE": "false"}
        stack.enter_context(running_operator(operator, **settings))
        yield stack.enter_context(edge_api(directory, access))


@pytest.fixture
async def fleet(site: EdgeSite) -> AsyncIterator[Fleet]:
    async with fleet_of(site) as fleet:
        yield fleet


async def joins(device: Device) -> None:
    async def is_registered() -> bool:
        if (await device.enrol()).status != 208:
            return False
        return (await device.register(hostname=device.device_id)).status == 200

    await eventually(is_registered)


async def test_a_listed_device_joins_by_itself_and_a_thief_does_not(fleet: Fleet) -> None:
    """Finding H7: the certificate that lies on devices makes no member of its holder."""
    name = f"till-{uuid.uuid4().hex[:8]}"
    issued = await fleet.issue(
        f"for-{name}", deviceIDs=[name], uses=1, labels={"site": "north"}, targetSet="tills",
        approval={"mode": "Automatic"},
    )  # fmt: skip
    thief = fleet.device()
    assert (await thief.enrol(features={"hardware": {"hostname": name}})).status == 200
    device = fleet.device(name, issued)

    await joins(device)

    found = await fleet.get(device)
    assert found["metadata"]["labels"]["site"] == "north"
    assert found["metadata"]["labels"]["flotta/member-of"] == "tills"
    request = await fleet.request(device)
    assert request is not None
    assert f"batch for-{name}" in request["status"]["decision"]["by"]
    assert f"The id {name} is listed" in request["status"]["decision"]["evidence"]
    # The operator has seen the request of the thief first.
    assert (await thief.enrol()).status == 200
    assert (await thief.register(hostname=name)).status == 404
    waiting = await fleet.request(thief)
    assert waiting is not None
    assert (waiting["spec"]["approved"], waiting["status"]["phase"]) == (False, "pending")
    assert await fleet.client.get_or_none(EDGE_DEVICE, thief.device_id, "default") is None
    for client in (device, thief):
        await client.close()


async def test_a_device_made_by_hand_joins_when_its_request_is_approved(fleet: Fleet) -> None:
    name = f"made-{uuid.uuid4().hex[:8]}"
    metadata = {"name": name, "namespace": "default", "labels": {"site": "made"}}
    made = await fleet.client.create(EDGE_DEVICE, {"metadata": metadata, "spec": {}})
    device = fleet.device(name)
    assert (await device.enrol()).status == 200
    approval = {"spec": {"approved": True}}
    await fleet.client.merge_patch(SIGNED_REQUEST, name, "default", approval)

    await joins(device)

    found = await fleet.get(device)
    assert found["metadata"]["uid"] == made["metadata"]["uid"]
    assert found["metadata"]["labels"]["site"] == "made"

    async def is_recorded() -> bool:
        request = await fleet.request(device)
        return request is not None and request.get("status", {}).get("phase") == "approved"

    await eventually(is_recorded)
    await device.close()


async def test_a_device_that_keeps_no_key_comes_back_and_its_former_certificate_does_not(
    fleet: Fleet,
) -> None:
    batch = f"sticks-{uuid.uuid4().hex[:8]}"
    issued = await fleet.issue(
        batch, uses=1, labels={"site": "north"}, deviceLabels=["room"], allowKeyReplacement=True,
        approval={"mode": "Automatic"},
    )  # fmt: skip
    first = fleet.device(identity=issued)
    brought = {"room": "12", "role": "admin"}
    assert (await first.enrol(labels=brought)).status == 200
    await joins(first)
    again = fleet.device(first.device_id, issued)  # another key, as after the next start

    # The watch may tell of its use a moment later.
    await eventually(lambda: may_register(again))
    assert (await again.register(hostname=again.device_id)).status == 200

    assert (await again.beat()).status == 200
    await eventually(lambda: is_shut_out(first))
    labels = (await fleet.get(again))["metadata"]["labels"]
    assert (labels["site"], labels["room"], labels.get("role")) == ("north", "12", None)
    uses = await fleet.client.list(CONFIG_MAP, "flotta", label_selector=f"{BATCH_LABEL}={batch}")
    assert [use["data"]["deviceID"] for use in uses] == [again.device_id]
    said = await reasons(fleet, again.device_id)  # type: ignore[arg-type]
    assert {code_of(first), code_of(again)} <= set(said["KeyReplaced"].replace(",", " ").split())
    assert "role" in said["LabelsNotAllowed"]
    for client in (first, again):
        await client.close()


async def test_the_code_of_the_console_approves_no_other_device(fleet: Fleet) -> None:
    device, name = fleet.device(), ""
    assert (await device.enrol()).status == 200
    name, code = device.device_id, code_of(device)

    shown = flotta(fleet.site.kubeconfig, "status").stdout
    assert next(line for line in shown.splitlines() if name in line).split()[-1] == code
    assert code in flotta(fleet.site.kubeconfig, "explain", "device", name).stdout
    wrong = flotta(fleet.site.kubeconfig, "approve", name, "--code", "0000-0000")
    assert (wrong.returncode, f"has the code {code}" in wrong.stderr) == (1, True)
    request = await fleet.request(device)
    assert request is not None
    assert not request["spec"]["approved"]
    right = flotta(fleet.site.kubeconfig, "approve", name, "--code", code.lower())
    assert code in right.stdout

    await joins(device)
    await device.close()


def code_of(device: Device) -> str:
    return console_code(public_key_fingerprint(device.key.public_key()))


async def may_register(device: Device) -> bool:
    return (await device.enrol()).status == 208


async def is_shut_out(device: Device) -> bool:
    reply = await device.beat()
    return reply.status == 403 and reply.json()["reason"] == "OtherKey"
