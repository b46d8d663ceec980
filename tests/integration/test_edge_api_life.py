"""A device's life at the Edge API: enrolment, registration, configuration, heartbeats, removal."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio
from edge_site import Device, Fleet, Reply, Site, edge_site, fleet_of
from operator_site import ENGINES

from flotta.fleet.former_labels import CHANGED_ANNOTATION, FORMER_ANNOTATION, SETTLED
from flotta.fleet.self_asserted import ASSERTED_ANNOTATION
from flotta.resources.client import Conflict
from flotta.resources.kinds import (
    CONFIG_MAP,
    EDGE_DEVICE,
    EDGE_DEVICE_SET,
    EDGE_WORKLOAD,
    EVENT,
    MEMBER_LABEL,
    SECRET,
)
from flotta.rfc3339 import format_time, parse_required_time
from waiting import eventually


@pytest.fixture(scope="module", params=ENGINES)
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    directory = tmp_path_factory.mktemp("edge")
    with edge_site(directory, request.param, PRESENCE_WRITE_SECONDS="1") as started:
        yield started


@pytest_asyncio.fixture
async def fleet(site: Site) -> AsyncIterator[Fleet]:
    async with fleet_of(site) as opened:
        yield opened


async def test_a_device_enrols_registers_and_works(fleet: Fleet) -> None:
    device = fleet.device()
    hardware = {"hostname": "Press-03", "cpu": {"architecture": "aarch64", "flags": None}}

    assert (await device.enrol(features={"hardware": hardware})).status == 200
    request = await fleet.request(device)
    assert request is not None
    assert request["spec"]["targetNamespace"] == "default"
    assert request["spec"]["features"]["hardware"]["hostname"] == "Press-03"
    assert (await device.register()).status == 404

    await fleet.approve(device.device_id)
    assert (await device.enrol()).status == 208
    assert (await device.register(**hardware)).status == 200

    recorded = await fleet.get(device)
    assert recorded["metadata"]["labels"]["device.hostname"] == "press-03"
    assert "edgedeviceSignedRequest" not in recorded["metadata"]["labels"]
    assert recorded["status"]["hardware"]["cpu"]["architecture"] == "aarch64"

    configuration = await device.get("data")
    assert configuration.status == 200
    content = configuration.json()["content"]
    assert content["device_id"] == device.device_id
    assert content["configuration"]["heartbeat"] == {"hardware_profile": {}, "period_seconds": 60}

    assert (await device.beat(version=content["version"])).status == 200
    known = await fleet.get(device)
    status = known["status"]
    assert status["phase"] == "up"
    assert status["lastSyncedResourceVersion"] == content["version"]
    (ready,) = status["conditions"]
    assert (ready["type"], ready["status"]) == ("Ready", "True")
    assert ready["observedGeneration"] == known["metadata"]["generation"]
    await device.close()


def pod(image: str = "localhost/web:1", **spec: object) -> dict[str, object]:
    return {"containers": [{"name": "web", "image": image, **spec}]}


def workload(name: str, label: str, spec: dict[str, object]) -> dict[str, Any]:
    selector = {"matchLabels": {"test": label}}
    return {
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"type": "pod", "deviceSelector": selector, "pod": {"spec": spec}},
    }


async def test_a_held_request_is_answered_when_the_configuration_changes(fleet: Fleet) -> None:
    device = await fleet.joined(test="held")
    first = await device.get("data")
    etag = first.headers["ETag"]
    unchanged = await device.get("data", If_None_Match=etag)
    assert (unchanged.status, unchanged.body) == (304, b"")

    held = await device.held(device.get("data", If_None_Match=etag, Prefer="wait=50"))
    assert not held.done()
    await fleet.client.create(EDGE_WORKLOAD, workload("held", "held", pod()))
    reply = await asyncio.wait_for(held, 30)

    assert [workload["name"] for workload in reply.json()["content"]["workloads"]] == ["held"]
    await device.close()


def kept(reply: Reply) -> tuple[list[str], list[str]]:
    """Return the workloads of a configuration, and those that the device keeps as they are."""
    content = reply.json()["content"]
    names = [workload["name"] for workload in content.get("workloads") or ()]
    return names, content.get("unresolved_workloads") or []


async def test_a_label_that_somebody_gave_wins_over_the_report_of_a_device(fleet: Fleet) -> None:
    device = await fleet.joined(**{"device.hostname": "till-1", "test": "given"})
    victim = {"hostname": "till-2", "system_vendor": {"serial_number": "SN-2"}}

    async def labels() -> dict[str, str]:
        found = (await fleet.get(device))["metadata"]["labels"]
        return {key: text for key, text in found.items() if key.startswith("device.")}

    assert (await device.register(**victim)).status == 200
    assert await labels() == {"device.hostname": "till-1", "device.system-serial": "sn-2"}
    given = {"metadata": {"labels": {"device.system-serial": "sn-1"}}}
    await fleet.client.merge_patch(EDGE_DEVICE, device.device_id, "default", given)
    victim["cpu"] = {"architecture": "arm64"}

    async def repeated() -> bool:
        assert (await device.beat(hardware=victim)).status == 200
        return (await labels()).get("device.cpu-architecture") == "arm64"

    await eventually(repeated)
    assert (await device.register(**victim)).status == 200
    expected = {
        "device.hostname": "till-1",
        "device.system-serial": "sn-1",
        "device.cpu-architecture": "arm64",
    }
    assert await labels() == expected
    asserted = (await fleet.get(device))["metadata"]["annotations"][ASSERTED_ANNOTATION]
    assert asserted == "device.cpu-architecture=arm64"
    await device.close()


async def test_a_device_keeps_a_workload_while_it_reports_another_name(fleet: Fleet) -> None:
    device = await fleet.joined(test="renamed")
    by_name = workload("renamed", "renamed", pod())
    by_name["spec"]["deviceSelector"]["matchLabels"]["device.hostname"] = "press-09"
    await fleet.client.create(EDGE_WORKLOAD, by_name)

    async def delivered() -> tuple[list[str], list[str]]:
        return kept(await device.get("data"))

    async def as_expected(names: list[str], unresolved: list[str]) -> None:
        async def is_expected() -> bool:
            return await delivered() == (names, unresolved)

        await eventually(is_expected)

    assert (await device.beat(hardware={"hostname": "press-09"})).status == 200
    await as_expected(["renamed"], [])
    assert (await device.beat(hardware={"hostname": "dhcp-77"})).status == 200
    await as_expected([], ["renamed"])
    metadata = (await fleet.get(device))["metadata"]
    assert metadata["labels"]["device.hostname"] == "dhcp-77"
    changed = parse_required_time(metadata["annotations"][CHANGED_ANNOTATION])
    assert (await device.register(hostname="press-09")).status == 200
    await as_expected(["renamed"], [])
    annotations = (await fleet.get(device))["metadata"]["annotations"]
    assert "dhcp-77" in annotations[FORMER_ANNOTATION]
    assert (await device.register(hostname="dhcp-78")).status == 200
    await as_expected([], ["renamed"])

    etag = (await device.get("data")).headers["ETag"]
    past = format_time(datetime.now(UTC) - 3 * SETTLED)
    patch = {"metadata": {"annotations": {CHANGED_ANNOTATION: past}}}
    await fleet.client.merge_patch(EDGE_DEVICE, device.device_id, "default", patch)
    assert changed <= datetime.now(UTC)
    assert (await device.beat()).status == 200
    await as_expected([], ["renamed"])
    waiting = asyncio.create_task(device.get("data", If_None_Match=etag, Prefer="wait=50"))
    assert (await device.beat(hardware={"hostname": "dhcp-78"})).status == 200
    assert kept(await waiting) == ([], [])
    assert FORMER_ANNOTATION not in (await fleet.get(device))["metadata"]["annotations"]
    await device.close()


async def test_a_member_hears_of_changes_of_its_set_while_it_waits(fleet: Fleet) -> None:
    tills = {"metadata": {"name": "tills", "namespace": "default"}}
    await fleet.client.create(
        EDGE_DEVICE_SET, {**tills, "spec": {"heartbeat": {"periodSeconds": 30}}}
    )
    device = await fleet.joined(**{MEMBER_LABEL: "tills"})
    own = {"spec": {"heartbeat": {"periodSeconds": 50}}}
    await fleet.client.merge_patch(EDGE_DEVICE, device.device_id, "default", own)

    async def heard(period: int, etag: str = "") -> str:
        """Return the ETag of the configuration in which the period is this one."""
        async with asyncio.timeout(30):
            while True:
                reply = await device.get("data", If_None_Match=etag, Prefer="wait=50")
                etag = reply.headers["ETag"]
                found = reply.json()["content"]["configuration"]["heartbeat"]["period_seconds"]
                if found == period:
                    return etag

    etag = await heard(30)
    held = await device.held(heard(40, etag))
    changed = {"spec": {"heartbeat": {"periodSeconds": 40}}}
    await fleet.client.merge_patch(EDGE_DEVICE_SET, "tills", "default", changed)
    etag = await held

    held = await device.held(heard(50, etag))
    await fleet.client.delete(EDGE_DEVICE_SET, "tills", "default")
    await held
    await device.close()


async def test_a_hold_ends_with_304_when_nothing_changes(fleet: Fleet) -> None:
    device = await fleet.joined()
    etag = (await device.get("data")).headers["ETag"]

    started = time.monotonic()
    reply = await device.get("data", If_None_Match=etag, Prefer="wait=1")

    assert reply.status == 304
    assert time.monotonic() - started > 0.9
    await device.close()


async def test_a_missing_secret_withholds_one_workload_and_is_reported_once(fleet: Fleet) -> None:
    device = await fleet.joined(test="broken")
    reference = {"secretKeyRef": {"name": "late", "key": "a"}}
    bad = pod(env=[{"name": "A", "valueFrom": reference}])
    await fleet.client.create(EDGE_WORKLOAD, workload("broken", "broken", bad))
    await fleet.client.create(EDGE_WORKLOAD, workload("sound", "broken", pod()))
    listed = {"status": {"workloads": [{"name": "broken", "phase": "Deploying"}]}}
    await fleet.client.merge_patch(EDGE_DEVICE, device.device_id, "default", listed, "status")

    async def entry() -> dict[str, str]:
        found: dict[str, str] = (await fleet.get(device))["status"]["workloads"][0]
        return found if found.get("reason") == "Misconfiguration" else {}

    await eventually(lambda: _equals(names(device), ["sound"]))
    assert (await eventually(entry))["message"] == "Secret 'late' does not exist"

    await fleet.client.create(
        SECRET, {"metadata": {"name": "late", "namespace": "default"}, "data": {"a": "MQ=="}}
    )
    await eventually(lambda: _equals(names(device), ["broken", "sound"]))
    await eventually(lambda: _phase(fleet, device.device_id, "Deploying"))
    known = await fleet.get(device)
    (condition,) = known["status"]["conditions"]
    assert (condition["type"], condition["status"]) == ("Configured", "True")
    assert condition["observedGeneration"] == known["metadata"]["generation"]
    warnings = [
        event["involvedObject"]["kind"]
        for event in await fleet.client.list(EVENT, "default")
        if event["reason"] == "Misconfiguration" and "'late'" in event["message"]
    ]
    assert sorted(warnings) == ["EdgeDevice", "EdgeWorkload"]
    await device.close()


async def test_a_problem_is_shown_on_an_entry_that_comes_later(fleet: Fleet) -> None:
    device = await fleet.joined(test="later")
    volume = {"name": "v", "secret": {"secretName": "never"}}
    bad = {**pod(), "volumes": [volume]}
    await fleet.client.create(EDGE_WORKLOAD, workload("later", "later", bad))
    assert "workloads" not in (await device.get("data")).json()["content"]
    listed = {"status": {"workloads": [{"name": "later", "phase": "Deploying"}]}}
    await fleet.client.merge_patch(EDGE_DEVICE, device.device_id, "default", listed, "status")

    await eventually(lambda: _phase(fleet, device.device_id, "Error"))
    await device.close()


async def names(device: Device) -> list[str]:
    """Return the workloads in the device's configuration."""
    content = (await device.get("data")).json()["content"]
    return [workload["name"] for workload in content.get("workloads", ())]


async def _equals(value: object, wanted: object) -> bool:
    return await value == wanted  # type: ignore[misc]


async def _phase(fleet: Fleet, name: str, phase: str) -> bool:
    device = await fleet.client.get(EDGE_DEVICE, name, "default")
    return bool(device["status"]["workloads"][0]["phase"] == phase)


async def test_a_heartbeat_that_changes_nothing_writes_nothing(fleet: Fleet) -> None:
    patch = {"spec": {"heartbeat": {"periodSeconds": 60}}}
    device = await fleet.joined()
    await fleet.client.merge_patch(EDGE_DEVICE, device.device_id, "default", patch)
    await device.beat(workloads=None)
    before = (await fleet.get(device))["metadata"]["resourceVersion"]

    for _ in range(20):
        assert (await device.beat(workloads=None)).status == 200

    assert (await fleet.get(device))["metadata"]["resourceVersion"] == before
    await device.close()


async def test_last_seen_follows_and_a_silent_device_becomes_unknown(fleet: Fleet) -> None:
    device = await fleet.joined()
    patch = {"spec": {"heartbeat": {"periodSeconds": 1}}}
    await fleet.client.merge_patch(EDGE_DEVICE, device.device_id, "default", patch)
    await device.beat()
    first = (await fleet.get(device))["status"]["lastSeenTime"]

    async def moved() -> bool:
        await device.beat()
        return bool((await fleet.get(device))["status"]["lastSeenTime"] > first)

    async def ready(state: str) -> bool:
        return (await fleet.get(device))["status"]["conditions"][0]["status"] == state

    async def back() -> bool:
        await device.beat()
        return await ready("True")

    await eventually(moved)
    await eventually(lambda: ready("Unknown"))
    await eventually(back)
    await device.close()


async def test_a_failure_is_one_event_on_device_and_workload_with_a_count(fleet: Fleet) -> None:
    device = await fleet.joined(test="failing")
    await fleet.client.create(EDGE_WORKLOAD, workload("failing", "failing", pod()))
    await eventually(lambda: _equals(names(device), ["failing"]))
    listed = {"status": {"workloads": [{"name": "failing", "phase": "Deploying"}]}}
    await fleet.client.merge_patch(EDGE_DEVICE, device.device_id, "default", listed, "status")
    failed = {
        "name": "failing",
        "status": "Error",
        "reason": "ImagePull",
        "message": "no such image",
    }

    for _ in range(3):
        assert (await device.beat(workloads=[failed])).status == 200

    entry = (await fleet.get(device))["status"]["workloads"][0]
    assert (entry["phase"], entry["reason"]) == ("Error", "ImagePull")
    assert await count_warnings(fleet, "no such image") == [("EdgeDevice", 1), ("EdgeWorkload", 1)]

    await device.beat(workloads=[{"name": "failing", "status": "Running"}])
    entry = (await fleet.get(device))["status"]["workloads"][0]
    assert entry["phase"] == "Running"
    assert "reason" not in entry

    await device.beat(workloads=[failed])
    assert await count_warnings(fleet, "no such image") == [("EdgeDevice", 2), ("EdgeWorkload", 2)]
    await device.close()


async def count_warnings(fleet: Fleet, text: str) -> list[tuple[str, int]]:
    """Return kind of object and count of the Warning Events with this text."""
    return sorted(
        (event["involvedObject"]["kind"], event.get("count", 1))
        for event in await fleet.client.list(EVENT, "default")
        if text in event["message"] and event["type"] == "Warning"
    )


async def test_what_the_device_says_of_a_failure_is_not_doubled(fleet: Fleet) -> None:
    device = await fleet.joined(test="said")
    await fleet.client.create(EDGE_WORKLOAD, workload("said", "said", pod()))
    await eventually(lambda: _equals(names(device), ["said"]))
    listed = {"status": {"workloads": [{"name": "said", "phase": "Deploying"}]}}
    await fleet.client.merge_patch(EDGE_DEVICE, device.device_id, "default", listed, "status")
    report = {"name": "said", "status": "Error", "reason": "Broken", "message": "as told"}
    event = {"type": "warn", "reason": "Broken", "message": "as told", "workload": "said"}

    await device.beat(workloads=[report], events=[event])

    events = [
        (event["involvedObject"]["kind"], event["message"])
        for event in await fleet.client.list(EVENT, "default")
        if event["reason"] == "Broken"
    ]
    assert sorted(events) == [
        ("EdgeDevice", "said: as told"),
        ("EdgeWorkload", f"{device.device_id}: as told"),
    ]
    await device.close()


async def test_heartbeats_and_the_operator_do_not_overwrite_each_other(fleet: Fleet) -> None:
    device = await fleet.joined()
    await device.beat()

    async def assign(name: str) -> None:
        while True:
            known = await fleet.get(device)
            entries = [*(known["status"].get("workloads") or []), {"name": name}]
            patch = {
                "metadata": {"resourceVersion": known["metadata"]["resourceVersion"]},
                "status": {"workloads": entries},
            }
            with contextlib.suppress(Conflict):
                await fleet.client.merge_patch(
                    EDGE_DEVICE, device.device_id, "default", patch, "status"
                )
                return

    async def beats() -> None:
        for number in range(30):
            reply = await device.beat(version=f"v{number}", workloads=None)
            assert reply.status == 200

    async def assignments() -> None:
        for number in range(30):
            await assign(f"w{number}")

    await asyncio.gather(beats(), assignments())

    status = (await fleet.get(device))["status"]
    assert [workload["name"] for workload in status["workloads"]] == [f"w{n}" for n in range(30)]
    assert status["lastSyncedResourceVersion"] == "v29"
    await device.close()


async def test_a_deleted_device_gets_disconnect_and_its_response_is_recorded(
    fleet: Fleet,
) -> None:
    device = await fleet.joined()
    assert (await device.get("control")).body == b""
    name = device.device_id
    finalizer = {"metadata": {"finalizers": ["device-finalizer"]}}
    await fleet.client.merge_patch(EDGE_DEVICE, name, "default", finalizer)

    held = await device.held(device.get("control", Prefer="wait=50"))
    await fleet.client.delete(EDGE_DEVICE, name, "default")
    await fleet.bury(await fleet.get(device))
    command = await asyncio.wait_for(held, 30)
    assert command.json()["content"] == {"command": "disconnect", "arguments": None}

    event = {"type": "event", "message_id": "m", "version": 1, "content": "disconnect"}
    assert (await device.post("control", event)).status == 200
    known = await fleet.get(device)
    (condition,) = known["status"]["conditions"]
    assert (condition["type"], condition["status"]) == ("Disconnected", "True")
    assert condition["reason"] == "Acknowledged"
    assert condition["observedGeneration"] == known["metadata"]["generation"]

    stone = f"decommissioned-{known['metadata']['uid']}"
    noted = (await fleet.client.get(CONFIG_MAP, stone, "flotta"))["metadata"]["annotations"]
    assert list(noted) == ["management.project-flotta.io/wipe-acknowledged"]

    released = {"metadata": {"finalizers": None}}
    await fleet.client.merge_patch(EDGE_DEVICE, name, "default", released)
    again = await device.get("control")
    assert again.json()["content"]["command"] == "disconnect"
    assert (await device.post("control", event)).status == 200
    assert (await device.beat()).status == 403
    assert (await device.get("data")).json()["reason"] == "DeviceDecommissioned"
    await device.close()
