"""The Edge API on a resource API that fails, or tells late what changed."""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from edge_api_store import Object, Store, running
from fleet_objects import container, device, workload

from flotta.edge_api.backends.backend import BackendError, Membership
from flotta.edge_api.backends.crd import presence, problems
from flotta.edge_api.backends.crd.backend import CrdBackend
from flotta.edge_api.refusals import Refusal
from flotta.fleet.former_labels import CHANGED_ANNOTATION, FORMER_ANNOTATION, SETTLED
from flotta.fleet.joining import KEY_ANNOTATION
from flotta.fleet.problems import with_problems
from flotta.fleet.rendering import Problem
from flotta.fleet.self_asserted import ASSERTED_ANNOTATION
from flotta.fleet.tombstones import Tombstone, Wipe, make_tombstone
from flotta.identity.holder import Peer
from flotta.protocol.envelope import decode
from flotta.protocol.models import (
    DeviceConfigurationMessage,
    HardwareInfo,
    Heartbeat,
    WorkloadStatus,
)
from flotta.resources.cache import Cache
from flotta.resources.conditions import find_condition
from flotta.resources.crds import CRD
from flotta.resources.errors import ApiError
from flotta.resources.kinds import (
    CONFIG_MAP,
    EDGE_DEVICE,
    EDGE_WORKLOAD,
    NAMESPACE,
    SECRET,
    WITHHELD_ANNOTATION,
    Kind,
)
from flotta.rfc3339 import format_time, parse_required_time
from waiting import eventually

pytestmark = pytest.mark.looptime(start=time.monotonic)  # the fixtures had real time
NOW = datetime(2026, 1, 10, 9, 0, tzinfo=UTC)
PEER = Peer("device", "d-17", "default", ("default",), "u-1", "", "", NOW, NOW)
FAILED = WorkloadStatus(name="web", status="Error", reason="ImagePull", message="no such image")


@pytest.fixture
def store() -> Store:
    store = Store()
    joined = device({}, {"workloads": [{"name": "web", "phase": "Deploying"}]})
    joined["metadata"]["annotations"] = {KEY_ANNOTATION: "ab" * 32}
    store.put(EDGE_DEVICE, joined)
    return store


@pytest.fixture
async def backend(store: Store) -> AsyncIterator[CrdBackend]:
    async with running(store) as backend:
        yield backend


async def test_a_failure_is_an_event_although_the_labels_could_not_be_written(
    store: Store, backend: CrdBackend
) -> None:
    beat = Heartbeat(status="up", workloads=[FAILED], hardware=HardwareInfo(hostname="press"))

    async def refuse_labels(_: Object, subresource: str) -> None:
        if not subresource:
            raise ApiError(500, "InternalError", "try again")

    store.stored = refuse_labels
    with pytest.raises(BackendError):
        await backend.record_heartbeat(PEER, "m-1", beat)
    store.stored = None
    await backend.record_heartbeat(PEER, "m-1", beat)

    assert store.device()["metadata"]["labels"]["device.hostname"] == "press"
    assert store.events == ["EdgeDevice ImagePull"]


async def test_the_hardware_is_wanted_while_labels_made_of_it_may_change_back(
    store: Store, backend: CrdBackend
) -> None:
    async def knows_hardware() -> bool:
        return await backend.record_heartbeat(PEER, "", Heartbeat(status="up"))

    assert not await knows_hardware()
    store.put(EDGE_DEVICE, renamed(3 * SETTLED))
    await asyncio.sleep(0.1)
    assert not await knows_hardware()
    await report(backend, "press-8")
    await eventually(knows_hardware)
    store.put(EDGE_DEVICE, renamed(timedelta()))
    await asyncio.sleep(0.1)
    assert not await knows_hardware()


def renamed(age: timedelta) -> Object:
    """Return the device, which is called press-8, and was press-7 until this long ago."""
    changed = device({}, {"hardware": {"hostname": "press-8"}}, **{"device.hostname": "press-8"})
    changed["metadata"]["annotations"] = {
        CHANGED_ANNOTATION: format_time(datetime.now(UTC) - age),
        FORMER_ANNOTATION: '[{"device.hostname":"press-7"}]',
        ASSERTED_ANNOTATION: "device.hostname=press-8",
    }
    return changed


async def report(backend: CrdBackend, hostname: str) -> None:
    beat = Heartbeat(status="up", hardware=HardwareInfo(hostname=hostname))
    await backend.record_heartbeat(PEER, "", beat)


async def test_a_device_that_was_off_after_it_reported_another_name_keeps_its_workload(
    lasting: Store, backend: CrdBackend
) -> None:
    async def configured_with() -> tuple[list[str], list[str]]:
        await asyncio.sleep(0.1)
        configuration = await backend.get_configuration(PEER)
        content = decode(configuration.content, DeviceConfigurationMessage)
        names = [item.name for item in content.workloads or ()]
        return names, content.unresolved_workloads or []

    by_name = {"matchLabels": {"device.hostname": "press-7"}}
    lasting.put(EDGE_WORKLOAD, workload("web", container(), deviceSelector=by_name))
    lasting.put(EDGE_DEVICE, renamed(3 * SETTLED))
    assert await configured_with() == ([], ["web"])
    await report(backend, "localhost")  # a placeholder shows nothing
    assert await configured_with() == ([], ["web"])
    await report(backend, "press-7")
    assert await configured_with() == (["web"], [])

    lasting.put(EDGE_DEVICE, renamed(3 * SETTLED))
    assert await configured_with() == ([], ["web"])
    await report(backend, "press-8")
    assert await configured_with() == ([], [])
    assert lasting.device()["metadata"]["annotations"] == {
        ASSERTED_ANNOTATION: "device.hostname=press-8"
    }


async def test_the_hour_after_a_change_begins_again_with_the_return_of_a_device(
    store: Store, backend: CrdBackend
) -> None:
    away = renamed(3 * SETTLED)
    away["status"]["conditions"] = [{"type": "Ready", "status": "Unknown"}]
    store.put(EDGE_DEVICE, away)
    await asyncio.sleep(0.1)

    await report(backend, "press-8")  # it may have started with the same name of a moment
    await asyncio.sleep(0.1)
    await report(backend, "press-8")

    changed = store.device()["metadata"]["annotations"][CHANGED_ANNOTATION]
    assert parse_required_time(changed) > datetime.now(UTC) - SETTLED
    assert FORMER_ANNOTATION in store.device()["metadata"]["annotations"]


async def test_a_change_that_another_replica_has_just_recorded_is_not_forgotten(
    store: Store, backend: CrdBackend
) -> None:
    store.put(EDGE_DEVICE, renamed(3 * SETTLED))
    await asyncio.sleep(0.1)
    store.hold(EDGE_DEVICE)
    store.put(EDGE_DEVICE, renamed(timedelta()))
    before = store.device()["metadata"]["annotations"]

    await report(backend, "press-8")

    assert store.device()["metadata"]["annotations"] == before


NEEDY = container(envFrom=[{"secretRef": {"name": "late"}}])
LATE = {"metadata": {"name": "late", "namespace": "default"}, "data": {"a": "MQ=="}}


async def configured(store: Store, state: str | None, generation: int | None = None) -> None:
    """Wait until condition Configured says this."""

    def shown() -> tuple[str | None, int | None]:
        found = find_condition(store.device()["status"].get("conditions"), "Configured") or {}
        return found.get("status"), found.get("observedGeneration")

    await eventually(lambda: shown() == (state, generation))


async def test_a_problem_appears_and_disappears_on_a_device_that_does_not_poll(
    store: Store, backend: CrdBackend
) -> None:
    store.put(EDGE_WORKLOAD, workload("web", NEEDY))
    await configured(store, "False")
    assert store.device()["status"]["workloads"][0]["phase"] == "Error"

    store.put(SECRET, LATE)

    await configured(store, "True")
    assert store.device()["status"]["workloads"][0]["phase"] == "Deploying"
    assert store.events == ["EdgeDevice Misconfiguration", "EdgeWorkload Misconfiguration"]


async def test_a_device_that_cannot_be_rendered_does_not_stop_the_others(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence, "CHECK_INTERVAL", 0.01)
    broken = device({"heartbeat": "no section"})
    broken["metadata"]["name"] = "d-0"
    async with running(store):
        store.put(EDGE_DEVICE, broken)
        await asyncio.sleep(2 * problems.DEBOUNCE)
        store.put(EDGE_WORKLOAD, workload("web", NEEDY))

        await configured(store, "False")


async def test_a_problem_solved_while_it_is_being_written_does_not_stay(
    store: Store, backend: CrdBackend
) -> None:
    async def solve(_: Object, __: str) -> None:
        store.stored = None
        store.put(SECRET, LATE)
        await asyncio.sleep(2 * problems.DEBOUNCE)

    store.hold(EDGE_DEVICE)  # the watch does not tell what was written
    store.stored = solve
    store.put(EDGE_WORKLOAD, workload("web", NEEDY))

    await configured(store, "True")


async def test_a_problem_solved_while_no_edge_api_ran_does_not_stay() -> None:
    store = Store()
    problem = Problem("web", "workload", "Misconfiguration", "Secret 'late' does not exist")
    store.put(EDGE_DEVICE, device({}, with_problems({}, [problem], NOW)))

    async with running(store):
        await configured(store, "True")


async def test_a_problem_that_a_replica_wrote_too_late_does_not_stay(
    store: Store, backend: CrdBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(problems, "RESYNC_INTERVAL", 0.2)
    store.put(EDGE_WORKLOAD, workload("web"))
    await asyncio.sleep(2 * problems.DEBOUNCE)
    problem = Problem("web", "workload", "Misconfiguration", "Secret 'late' does not exist")
    late = with_problems(store.device()["status"], [problem], NOW)

    store.put(EDGE_DEVICE, {**store.device(), "status": late})

    await configured(store, "True")


async def test_a_device_that_has_not_registered_shows_no_problems(
    store: Store, backend: CrdBackend
) -> None:
    store.put(EDGE_DEVICE, device({}, {}, edgedeviceSignedRequest="true"))
    store.put(EDGE_WORKLOAD, workload("web", NEEDY))

    await asyncio.sleep(2 * problems.DEBOUNCE)

    assert store.patches == 0


async def test_a_disconnect_is_recorded_before_the_watch_reports_the_deletion(
    store: Store, backend: CrdBackend
) -> None:
    store.hold(EDGE_DEVICE)
    store.hold(CONFIG_MAP)
    leaving = delete(store)
    store.put(CONFIG_MAP, make_tombstone(Tombstone.of(leaving, "granted", NOW), "flotta"))

    await backend.record_disconnect(PEER)

    disconnected = find_condition(store.device()["status"].get("conditions"), "Disconnected")
    assert disconnected is not None
    assert disconnected["status"] == "True"


@pytest.mark.parametrize("wipe", ["held", None])
async def test_a_device_that_was_not_told_to_wipe_itself_cannot_say_that_it_did(
    store: Store, backend: CrdBackend, wipe: Wipe | None
) -> None:
    leaving = delete(store)
    if wipe:
        store.put(CONFIG_MAP, make_tombstone(Tombstone.of(leaving, wipe, NOW), "flotta"))

    await backend.record_disconnect(PEER)

    assert find_condition(store.device()["status"].get("conditions"), "Disconnected") is None
    assert store.patches == 0


async def test_an_adopted_device_gets_nothing_that_was_made_before_its_adoption(
    store: Store, backend: CrdBackend
) -> None:
    store.hold(EDGE_DEVICE)
    adopted = copy.deepcopy(store.device())
    adopted["metadata"] |= {"uid": "u-2", "annotations": {WITHHELD_ANNOTATION: "true"}}
    store.put(EDGE_DEVICE, adopted)
    adopter = dataclasses.replace(PEER, uid="u-2")

    assert await backend.membership(adopter) is Membership.ACTIVE
    with pytest.raises(Refusal, match="has not reached this server yet"):
        await backend.get_configuration(adopter)
    store.release(EDGE_DEVICE)
    await asyncio.sleep(0.1)
    with pytest.raises(Refusal, match="has not shown yet"):
        await backend.get_configuration(adopter)


async def test_a_device_that_joined_again_gets_nothing_that_was_made_before_it_registered(
    store: Store, backend: CrdBackend
) -> None:
    store.put(EDGE_DEVICE, device({}, {}, edgedeviceSignedRequest="true"))
    await asyncio.sleep(0.1)

    store.hold(EDGE_DEVICE)
    store.put(EDGE_DEVICE, device({}, {}))

    with pytest.raises(Refusal, match="has not reached this server yet"):
        await backend.get_configuration(PEER)


def delete(store: Store) -> Object:
    """Begin the deletion of the device; it has finalizers."""
    leaving = copy.deepcopy(store.device())
    leaving["metadata"]["deletionTimestamp"] = "2026-01-10T09:00:00Z"
    return store.put(EDGE_DEVICE, leaving)


async def test_conditions_say_for_which_generation_they_hold(
    store: Store, backend: CrdBackend
) -> None:
    moved = store.device()
    moved["metadata"]["generation"] = 1
    store.put(EDGE_DEVICE, moved)
    store.put(EDGE_WORKLOAD, workload("web", NEEDY))
    await configured(store, "False", 1)
    await backend.record_heartbeat(PEER, "m-1", Heartbeat(status="up"))

    moved = copy.deepcopy(store.device())
    moved["metadata"]["generation"] = 2
    store.put(EDGE_DEVICE, {**moved, "spec": {"heartbeat": {"periodSeconds": 7}}})
    await configured(store, "False", 2)
    patches = store.patches
    await backend.record_heartbeat(PEER, "m-2", Heartbeat(status="up"))

    assert store.patches == patches  # a condition that says the same is no reason to write
    ready = find_condition(store.device()["status"]["conditions"], "Ready")
    assert ready is not None
    assert (ready["status"], ready["observedGeneration"]) == ("True", 1)


@pytest.fixture
def lasting(store: Store) -> Store:
    """Return a store with the namespace and the definitions of what configurations rest on."""
    store.put(NAMESPACE, {"metadata": {"name": "default"}})
    for kind in (EDGE_WORKLOAD, EDGE_DEVICE):
        name = f"{kind.plural}.{kind.group}"
        store.put(CRD, {"metadata": {"name": name, "uid": name}})
    return store


async def numbers_of(backend: CrdBackend) -> dict[Kind, int]:
    """Return how new the inputs of the configuration are."""
    await asyncio.sleep(0.1)
    configuration = await backend.get_configuration(PEER)
    content = decode(configuration.dated_content, DeviceConfigurationMessage)
    inputs = content.inputs_version
    assert inputs is not None
    assert (inputs.device_uid, inputs.resource_version) == ("u-1", "")
    return {
        EDGE_WORKLOAD: int(inputs.workloads_version),
        EDGE_DEVICE: int(inputs.device_version),
    }


@pytest.mark.parametrize("dead", [EDGE_WORKLOAD, EDGE_DEVICE])
async def test_a_configuration_says_how_old_each_of_the_watches_is_that_it_rests_on(
    lasting: Store, backend: CrdBackend, dead: Kind
) -> None:
    def change() -> None:
        lasting.put(EDGE_WORKLOAD, workload("web", container()))
        lasting.put(EDGE_DEVICE, copy.deepcopy(lasting.device()))

    change()
    before = await numbers_of(backend)
    lasting.hold(dead)
    change()
    after = await numbers_of(backend)
    assert [kind for kind in after if after[kind] <= before[kind]] == [dead]
    lasting.release(dead)
    after = await numbers_of(backend)
    assert all(after[kind] > before[kind] for kind in after)


async def test_other_devices_do_not_make_a_configuration_newer(
    lasting: Store, backend: CrdBackend
) -> None:
    before = await numbers_of(backend)
    other = copy.deepcopy(lasting.device())
    other["metadata"] |= {"name": "d-18", "uid": "u-18"}
    lasting.put(EDGE_DEVICE, other)
    assert await numbers_of(backend) == before


async def test_newer_inputs_alone_neither_change_a_configuration_nor_wake_its_device(
    lasting: Store, backend: CrdBackend
) -> None:
    known, before = await backend.get_configuration(PEER), await numbers_of(backend)
    waiting = asyncio.create_task(backend.wait_for_change(PEER, 600))
    for _ in range(3):
        elsewhere = workload("other", deviceSelector={"matchLabels": {"role": "elsewhere"}})
        lasting.put(EDGE_WORKLOAD, elsewhere)
        lasting.put(EDGE_DEVICE, copy.deepcopy(lasting.device()))
        await asyncio.sleep(0.1)

    after = await numbers_of(backend)
    assert all(after[kind] > before[kind] for kind in after)
    assert (await backend.get_configuration(PEER)).version == known.version
    assert not waiting.done()
    waiting.cancel()


async def test_versions_that_are_not_decimal_are_not_sent(
    lasting: Store, backend: CrdBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Cache, "resource_version", "x7")

    configuration = await backend.get_configuration(PEER)

    assert configuration.inputs is None
    assert configuration.dated_content == configuration.content


async def test_a_workload_that_cannot_be_delivered_counts_as_missing_from_a_withheld_configuration(
    lasting: Store, backend: CrdBackend
) -> None:
    withheld = device({}, {"workloads": [{"name": "web"}]})
    withheld["metadata"]["annotations"] = {WITHHELD_ANNOTATION: "true", KEY_ANNOTATION: "ab" * 32}
    lasting.put(EDGE_DEVICE, withheld)
    lasting.put(EDGE_WORKLOAD, workload("web", NEEDY))
    await asyncio.sleep(0.1)

    beat = Heartbeat(status="up", workloads=[WorkloadStatus(name="web", status="Running")])
    await backend.record_heartbeat(PEER, "m-1", beat)

    released = find_condition(lasting.device()["status"]["conditions"], "ConfigurationReleased")
    assert released is not None
    assert released["status"] == "False"
    assert released["message"].startswith("The device runs web, which its configuration does not")
    assert "mend what condition Configured names" in released["message"]
    with pytest.raises(Refusal, match="has not shown yet"):
        await backend.get_configuration(PEER)


@pytest.mark.parametrize(
    ("status", "withheld"),
    [
        ({"phase": "up", "workloads": [{"name": "web"}]}, True),
        ({"phase": "up", "workloads": [{"name": "other"}]}, False),
        ({"phase": "up", "workloads": [{"name": "web"}], "agentVersion": "0.4.0"}, False),
        ({"workloads": [{"name": "web"}]}, False),  # it has not sent a heartbeat yet
    ],
)
async def test_an_agent_of_v0_2_that_runs_a_workload_with_a_broken_reference_gets_nothing(
    lasting: Store, backend: CrdBackend, status: Object, *, withheld: bool
) -> None:
    lasting.put(EDGE_DEVICE, device({}, status))
    lasting.put(EDGE_WORKLOAD, workload("web", NEEDY))
    await asyncio.sleep(0.1)

    if withheld:
        with pytest.raises(Refusal, match="would remove web") as refused:
            await backend.get_configuration(PEER)
        assert (refused.value.status, refused.value.reason) == (503, "ConfigurationWithheld")
        lasting.put(SECRET, LATE)
        await asyncio.sleep(0.1)
    assert (await backend.get_configuration(PEER)).version


async def test_a_certificate_is_no_write_of_its_own_after_an_upgrade(
    store: Store, backend: CrdBackend
) -> None:
    """All devices of a fleet send a heartbeat within a minute after it."""
    beat = Heartbeat(status="up", workloads=[WorkloadStatus(name="web", status="Running")])
    await backend.record_heartbeat(PEER, "m-1", beat)
    status = dict(store.device()["status"])
    assert status.pop("certificate")["notAfter"] == format_time(NOW)
    status["lastSeenTime"] = format_time(datetime.now(UTC))
    store.put(EDGE_DEVICE, device({}, status))  # as an earlier release wrote it
    await asyncio.sleep(0.1)

    before = store.patches
    await backend.record_heartbeat(PEER, "m-2", beat)
    assert store.patches == before
    status["lastSeenTime"] = format_time(datetime.now(UTC) - timedelta(hours=1))
    store.put(EDGE_DEVICE, device({}, status))
    await eventually(lambda: store.device()["status"].get("certificate"))
    assert store.patches == before + 1  # together with the time


async def test_a_renewed_certificate_is_written_with_the_first_heartbeat_and_then_no_more(
    store: Store, backend: CrdBackend
) -> None:
    await backend.record_heartbeat(PEER, "m-1", Heartbeat(status="up"))
    renewed = dataclasses.replace(PEER, serial_number="1f", authority="ab12")
    await backend.record_heartbeat(renewed, "m-2", Heartbeat(status="up"))
    written = store.patches
    for message in ("m-3", "m-4"):
        await backend.record_heartbeat(renewed, message, Heartbeat(status="up"))

    assert store.patches == written
    certificate = store.device()["status"]["certificate"]
    assert (certificate["serialNumber"], certificate["authority"]) == ("1f", "ab12")
