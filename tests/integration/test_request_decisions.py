"""Who or which rule admits a device, and what becomes of a device that was admitted and never came.

By the real operator and command line, on each engine.
"""

from __future__ import annotations

import getpass
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator

import pytest
from edge_site import edge_api, fleet_of
from operator_site import (
    ENGINES,
    SOURCE,
    Fleet,
    Object,
    Site,
    phase,
    resource_api,
    running_operator,
)

from flotta.resources.client import Client, Conflict
from flotta.resources.kinds import EDGE_DEVICE, EVENT, SIGNED_REQUEST
from waiting import eventually

pytestmark = pytest.mark.on_one_engine

PREFIX = "management.project-flotta.io"
APPROVAL = {
    "batch": "shops",
    "uid": "u-2",
    "rule": "Registration batch shops approves the devices that it lists",
    "evidence": ["The id is listed"],
    "at": "2026-05-01T11:59:00Z",
}
BY_RULE = {"approval": json.dumps(APPROVAL), "registration-batch": "shops"}
EXPIRY = 6  # seconds
CREATED = "edgedeviceSignedRequest"


@pytest.fixture(scope="module", params=ENGINES)
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    directory = tmp_path_factory.mktemp("decisions")
    with resource_api(directory, request.param) as access:
        yield Site(directory, directory / "operator.log", None, access)


@pytest.fixture
def operator(site: Site) -> Iterator[None]:
    """Run an operator that approves by rules alone."""
    with running_operator(site, AUTO_APPROVAL_PROCESS="false"):
        yield


@pytest.fixture
def forgetful_operator(site: Site) -> Iterator[None]:
    with running_operator(site, AUTO_APPROVAL_PROCESS="false", REQUEST_EXPIRY=str(EXPIRY)):
        yield


@pytest.fixture
async def fleet(site: Site) -> AsyncIterator[Fleet]:
    async with await Client.connect(site.kubeconfig()) as client:
        yield Fleet(client)


async def ask(fleet: Fleet, name: str, annotations: dict[str, str], **spec: object) -> None:
    names = {f"{PREFIX}/{key}": text for key, text in annotations.items()}
    metadata = {"name": name, "namespace": "default", "annotations": names}
    body = {"metadata": metadata, "spec": {"targetNamespace": "default", **spec}}
    await fleet.client.create(SIGNED_REQUEST, body)


def decided(obj: Object) -> object:
    return obj.get("status", {}).get("decision") and obj["status"]["phase"] != "pending"


async def events_about(fleet: Fleet, name: str) -> dict[str, str]:
    selector = f"involvedObject.kind={SIGNED_REQUEST.kind},involvedObject.name={name}"
    found = await fleet.client.list(EVENT, "default", field_selector=selector)
    return {event["reason"]: event["message"] for event in found}


def flotta(site: Site, *arguments: str) -> str:
    command = [sys.executable, "-m", "flotta.cli.flotta", *arguments]
    environment = {**os.environ, "PYTHONPATH": SOURCE, "KUBECONFIG": site.kubeconfig()}
    return subprocess.run(
        command, check=True, env=environment, stdout=subprocess.PIPE, text=True
    ).stdout


@pytest.mark.usefixtures("operator")
async def test_a_rule_and_an_administrator_are_named_with_their_evidence(
    fleet: Fleet, site: Site
) -> None:
    await ask(fleet, "ruled", BY_RULE, labels={"role": "till"}, targetSet="north")
    await ask(fleet, "asked", {"approval-withheld": "Batch shops: no serial number"})
    await fleet.seen(SIGNED_REQUEST, "asked", lambda obj: "no serial" in str(obj.get("status", {})))
    assert "no serial number" in flotta(site, "explain", "device", "asked")
    flotta(site, "approve", "asked")
    ruled = await fleet.seen(SIGNED_REQUEST, "ruled", decided)
    assert ruled["status"]["decision"] == {
        "by": "registration batch shops",
        "at": APPROVAL["at"],
        "evidence": [APPROVAL["rule"], "The id is listed"],
    }
    made = await fleet.seen(EDGE_DEVICE, "ruled", lambda device: device["metadata"]["labels"])
    assert made["metadata"]["labels"] == {
        "role": "till",
        "flotta/member-of": "north",
        CREATED: "true",
    }
    asked = await fleet.seen(SIGNED_REQUEST, "asked", decided)
    assert asked["status"]["decision"]["by"] == f"{getpass.getuser()} (flotta approve)"
    assert "field manager flotta set" in asked["status"]["decision"]["evidence"][0]
    assert (
        "Approved by registration batch shops" in (await events_about(fleet, "ruled"))["Approved"]
    )
    shown = flotta(site, "explain", "device", "ruled")
    assert "registration batch shops" in shown
    assert "The id is listed" in shown
    rows = {row["name"]: row for row in json.loads(flotta(site, "status", "-o", "json"))}
    assert rows["ruled"]["decided_by"] == "registration batch shops"


@pytest.mark.usefixtures("operator")
async def test_a_device_joins_by_the_rule_of_its_batch_and_keeps_what_that_gave(
    fleet: Fleet, site: Site
) -> None:
    given = {"role": "till", "device.hostname": "till-9"}
    rule = {"deviceIDs": ["till-9"], "labels": given, "approval": {"mode": "Automatic"}}
    with edge_api(site.directory, site.access) as edge:
        async with fleet_of(edge) as admitted:
            device = admitted.device("till-9", await admitted.issue("tills", **rule))

            async def may_register() -> bool:
                return (await device.enrol()).status == 208

            await eventually(may_register)
            assert (await device.register(hostname="till-1")).status == 200
            await device.close()
    joined = await fleet.seen(EDGE_DEVICE, "till-9", lambda _: True)
    labels = joined["metadata"]["labels"]
    assert {key: labels.get(key) for key in given} == given
    assert CREATED not in labels
    request = await fleet.seen(SIGNED_REQUEST, "till-9", decided)
    decision = request["status"]["decision"]
    assert decision["by"] == "registration batch tills"
    assert "The id till-9 is listed" in decision["evidence"]


@pytest.mark.usefixtures("forgetful_operator")
async def test_only_an_admitted_device_that_never_came_expires(fleet: Fleet) -> None:
    await fleet.device("made-by-hand", role="kept")
    await ask(fleet, "made-by-hand", {}, approved=True)
    await ask(fleet, "came", BY_RULE)
    await fleet.seen(EDGE_DEVICE, "came", lambda _: True)
    await fleet.register("came")
    hand = await fleet.seen(SIGNED_REQUEST, "made-by-hand", phase("approved"))
    await ask(fleet, "never-came", BY_RULE)
    created = await fleet.seen(EDGE_DEVICE, "never-came", lambda _: True)
    await fleet.seen(SIGNED_REQUEST, "never-came", phase("approved"))
    await fleet.gone(EDGE_DEVICE, "never-came")
    await fleet.gone(SIGNED_REQUEST, "never-came")
    # As old as the one that is gone, or older.
    for name in ("made-by-hand", "came"):
        assert await fleet.find(EDGE_DEVICE, name)
        assert await fleet.find(SIGNED_REQUEST, name)
    kept = await fleet.find(EDGE_DEVICE, "made-by-hand")
    assert kept is not None
    assert kept["metadata"]["labels"] == {"role": "kept"}
    assert hand["status"]["decision"]["by"] == "an administrator"

    async def told() -> str | None:
        return (await events_about(fleet, "never-came")).get("Expired")

    assert "did not register" in (await eventually(told) or "")
    assert created["spec"]["requestTime"]


async def test_a_deletion_of_what_changed_meanwhile_is_refused(fleet: Fleet) -> None:
    read = await fleet.device("changes", role="till")
    await fleet.register("changes")
    await fleet.client.merge_patch(
        EDGE_DEVICE, "changes", "default", {"metadata": {"labels": {"role": "camera"}}}
    )
    stale = {
        "uid": read["metadata"]["uid"],
        "resource_version": read["metadata"]["resourceVersion"],
    }
    with pytest.raises(Conflict):
        await fleet.client.delete(EDGE_DEVICE, "changes", "default", **stale)
    assert await fleet.find(EDGE_DEVICE, "changes")
