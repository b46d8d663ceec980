"""The CustomResourceDefinition of EdgeWorkloads was deleted and created again."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime

import pytest
from edge_api_store import Object, Store, running
from fleet_objects import device, workload

from flotta.edge_api.backends.crd.backend import CrdBackend
from flotta.edge_api.refusals import Refusal
from flotta.identity.holder import Peer
from flotta.protocol.models import Heartbeat, WorkloadStatus
from flotta.resources.conditions import find_condition
from flotta.resources.crds import CRD
from flotta.resources.kinds import EDGE_DEVICE, EDGE_WORKLOAD, NAMESPACE, WITHHELD_ANNOTATION
from waiting import eventually

pytestmark = pytest.mark.looptime(start=time.monotonic)  # the fixtures had real time
NOW = datetime(2026, 1, 10, 9, 0, tzinfo=UTC)
PEER = Peer("device", "d-17", "default", ("default",), "u-1", "", "", NOW, NOW)
REVIEWED = "management.project-flotta.io/reviewed-crd-uid"
SEEN = {"lastSeenTime": "2026-01-09T09:00:00Z"}
MORNING, NOON, EVENING, NIGHT = (f"2026-01-09T{hour:02}:00:00Z" for hour in (8, 12, 18, 22))
RUNS_WEB = Heartbeat(status="up", workloads=[WorkloadStatus(name="web", status="Running")])


@pytest.fixture
def store() -> Store:
    store = Store()
    store.put(NAMESPACE, {"metadata": {"name": "default", "uid": "n-1"}})
    for plural in ("edgedevices", "edgeworkloads"):
        define(store, plural, "crd-1", MORNING)
    store.put(EDGE_DEVICE, created(device({}, SEEN), NOON))
    store.put(EDGE_WORKLOAD, created(workload("web"), NOON, "w-1"))
    return store


async def test_nothing_is_withheld_or_written_where_the_definition_is_older(store: Store) -> None:
    async with running(store) as backend:
        assert await is_delivered(backend)
    assert store.patches == 0


@pytest.mark.parametrize(
    ("made", "status"), [(NIGHT, SEEN), (NOON, {})], ids=["younger", "never reported"]
)
async def test_a_device_that_can_have_lost_nothing_gets_its_configuration(
    store: Store, made: str, status: Mapping[str, str]
) -> None:
    store.put(EDGE_DEVICE, created(device({}, dict(status)), made))
    define(store, "edgeworkloads", "crd-2", EVENING)
    async with running(store) as backend:
        await backend.get_configuration(PEER)
    assert store.patches == 0


async def test_a_device_of_the_same_second_as_the_definition_may_be_older(store: Store) -> None:
    store.put(EDGE_DEVICE, created(device({}, SEEN), EVENING))
    define(store, "edgeworkloads", "crd-2", EVENING)
    async with running(store) as backend:
        await withheld(backend, "is younger than the device")


async def test_an_edge_api_that_did_not_run_withholds_once(store: Store) -> None:
    define(store, "edgeworkloads", "crd-2", EVENING)
    store.remove(EDGE_WORKLOAD, "web")
    async with running(store) as backend:
        await withheld(backend, "is younger than the device")
        assert annotations(store) == {WITHHELD_ANNOTATION: "true", REVIEWED: "crd-2"}
        await eventually(lambda: withheld(backend, "has not shown yet"), tolerate=AssertionError)
        await backend.record_heartbeat(PEER, "m-1", RUNS_WEB)
        await withheld(backend, "has not shown yet")

        store.put(EDGE_WORKLOAD, created(workload("web"), EVENING, "w-2"))
        await eventually(lambda: is_released(store, backend))
        await eventually(lambda: is_delivered(backend), tolerate=Refusal)
        assert annotations(store) == {REVIEWED: "crd-2"}

        store.remove(EDGE_WORKLOAD, "web")  # by somebody who means it
        await eventually(lambda: is_empty(backend), tolerate=Refusal)
    define(store, "edgeworkloads", "crd-3", "2026-01-09T19:00:00Z")
    async with running(store) as backend:
        await withheld(backend, "is younger than the device")


async def test_a_workload_that_is_only_in_the_cache_releases_nothing(store: Store) -> None:
    async with running(store) as backend:
        assert await is_delivered(backend)
        store.put(EDGE_DEVICE, with_annotations(store, {WITHHELD_ANNOTATION: "true"}))
        store.hold(EDGE_WORKLOAD)
        store.remove(EDGE_WORKLOAD, "web")
        define(store, "edgeworkloads", "crd-2", EVENING)

        await backend.record_heartbeat(PEER, "m-1", RUNS_WEB)
        assert annotations(store) == {WITHHELD_ANNOTATION: "true"}

        store.put(EDGE_WORKLOAD, created(workload("web"), EVENING, "w-2"))
        await backend.record_heartbeat(PEER, "m-2", RUNS_WEB)
        assert annotations(store) == {WITHHELD_ANNOTATION: "true"}
        store.release(EDGE_WORKLOAD)
        await eventually(lambda: is_released(store, backend))


async def test_a_device_that_was_withheld_again_meanwhile_is_not_released(store: Store) -> None:
    store.put(EDGE_DEVICE, with_annotations(store, {WITHHELD_ANNOTATION: "true"}))
    async with running(store) as backend:
        again = {WITHHELD_ANNOTATION: "true", REVIEWED: "crd-2"}

        async def withhold_again(new: Object, _: str) -> None:
            if find_condition(new["status"].get("conditions"), "ConfigurationReleased"):
                store.stored = None
                store.put(EDGE_DEVICE, with_annotations(store, again))

        store.stored = withhold_again
        await backend.record_heartbeat(PEER, "m-1", RUNS_WEB)

        assert store.stored is None
        assert annotations(store) == again


def define(store: Store, plural: str, uid: str, made: str) -> None:
    """Create the definition of a kind, perhaps again."""
    name = f"{plural}.management.project-flotta.io"
    store.put(CRD, created({"metadata": {"name": name}}, made, uid))


def created(obj: Object, made: str, uid: str = "") -> Object:
    uid = uid or obj["metadata"]["uid"]
    return {**obj, "metadata": {**obj["metadata"], "uid": uid, "creationTimestamp": made}}


def with_annotations(store: Store, wanted: Mapping[str, str]) -> Object:
    obj = store.device()
    return {**obj, "metadata": {**obj["metadata"], "annotations": dict(wanted)}}


def annotations(store: Store) -> Object:
    return dict(store.device()["metadata"].get("annotations") or {})


async def withheld(backend: CrdBackend, because: str) -> bool:
    with pytest.raises(Refusal) as caught:
        await backend.get_configuration(PEER)
    assert (caught.value.status, caught.value.reason) == (503, "ConfigurationWithheld")
    assert because in str(caught.value)
    return True


async def is_released(store: Store, backend: CrdBackend) -> bool:
    await backend.record_heartbeat(PEER, "", RUNS_WEB)
    return WITHHELD_ANNOTATION not in annotations(store)


async def is_delivered(backend: CrdBackend) -> bool:
    return b'"web"' in (await backend.get_configuration(PEER)).content


async def is_empty(backend: CrdBackend) -> bool:
    return not await is_delivered(backend)
