"""Workloads that a device keeps although a label that it reports changed."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import fleet_objects
import operator_objects
import pytest
from edge_api_store import Object, Store
from fleet_objects import Objects

from flotta.edge_api.backends.crd.caches import Caches
from flotta.edge_api.backends.crd.configurations import Configurations
from flotta.edge_api.backends.crd.wakeups import Wakeups
from flotta.fleet.explanation import explain_device
from flotta.fleet.former_labels import (
    CHANGED_ANNOTATION,
    FORMER_ANNOTATION,
    MOST,
    SETTLED,
    record_change,
)
from flotta.fleet.rendering import render_configuration
from flotta.operator.controllers.device.controller import plan_inputs
from flotta.operator.controllers.device.plan import plan_device
from flotta.operator.runtime.steps import Patch
from flotta.resources.kinds import EDGE_DEVICE, EDGE_WORKLOAD
from flotta.resources.views import key_of
from flotta.rfc3339 import format_time

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
NAME = "device.hostname"


def changed(device: Object, now: datetime = NOW, **labels: str) -> Object:
    """Return the device after a report changed its labels."""
    change = {f"device.{key}": text for key, text in labels.items()}
    metadata = device["metadata"]
    annotations = metadata.get("annotations", {}) | record_change(device, change, now)
    labels = metadata["labels"] | change
    return device | {"metadata": metadata | {"labels": labels, "annotations": annotations}}


def named(hostname: str = "till-7") -> Object:
    return fleet_objects.device(**{NAME: hostname})


def web(**selector: Any) -> Object:
    wanted = selector or {"matchLabels": {NAME: "till-7", "role": "till"}}
    return fleet_objects.workload("web", deviceSelector=wanted)


def delivered(device: Object, workload: Object, now: datetime = NOW) -> tuple[list[str], list[str]]:
    """Return the names of what is delivered, and of what the device keeps."""
    content = render_configuration(device, Objects(workload), now=now).content
    return [item.name for item in content.workloads or ()], content.unresolved_workloads or []


def test_a_workload_is_kept_for_an_hour_when_its_device_reports_another_name() -> None:
    assert delivered(named(), web()) == (["web"], [])
    device = changed(named(), hostname="localhost")
    assert delivered(device, web()) == ([], ["web"])
    assert delivered(device, web(), NOW + HOUR - timedelta(seconds=1)) == ([], ["web"])
    assert delivered(device, web(), NOW + HOUR) == ([], [])


def test_the_hour_begins_again_with_each_change_and_the_first_labels_still_count() -> None:
    device = named()
    for number in range(2 * MOST):
        now = NOW + number * HOUR / 2
        device = changed(device, now, hostname=f"dhcp-{number}")
        assert delivered(device, web(), now) == ([], ["web"])
    assert delivered(device, web(), now + HOUR) == ([], [])


def test_the_first_labels_still_count_when_they_came_back_meanwhile() -> None:
    device = changed(changed(named(), hostname="dhcp"), hostname="till-7")
    for number in range(2 * MOST):
        device = changed(device, NOW + number * HOUR / 6, hostname=f"dhcp-{number}")
    assert delivered(device, web(), NOW + number * HOUR / 6) == ([], ["web"])


def test_what_came_with_a_name_of_a_moment_is_kept_too() -> None:
    device = changed(named(), hostname="dhcp-1")
    other = web(matchLabels={NAME: "dhcp-1"})
    assert delivered(device, other) == (["web"], [])
    device = changed(device, NOW + HOUR / 2, hostname="till-7")
    assert delivered(device, other, NOW + HOUR) == ([], ["web"])
    assert delivered(device, web(), NOW + HOUR) == (["web"], [])


def test_labels_of_before_the_last_hour_do_not_count() -> None:
    device = changed(named(), hostname="dhcp-1")
    device = changed(device, NOW + HOUR, hostname="dhcp-2")
    assert delivered(device, web(), NOW + HOUR) == ([], [])


@pytest.mark.parametrize(
    "workload",
    [
        web(matchLabels={NAME: "till-8"}),
        web(matchLabels={NAME: "till-7", "role": "kiosk"}),
        fleet_objects.workload("web", device="d-18"),
        web() | {"metadata": web()["metadata"] | {"deletionTimestamp": "2026-05-01T12:00:00Z"}},
    ],
)
def test_what_an_administrator_changes_in_a_workload_counts_at_once(workload: Object) -> None:
    assert delivered(changed(named(), hostname="localhost"), workload) == ([], [])


def test_a_label_that_an_administrator_changes_counts_at_once() -> None:
    device = changed(named(), hostname="localhost")
    device["metadata"]["labels"] |= {"role": "kiosk"}
    assert delivered(device, web()) == ([], [])


def test_without_the_annotation_nothing_is_kept() -> None:
    device = changed(named(), hostname="localhost")
    assert format_time(NOW) == device["metadata"]["annotations"][CHANGED_ANNOTATION]
    before = plan_inputs(device)
    device["metadata"]["annotations"].pop(CHANGED_ANNOTATION)
    assert delivered(device, web()) == ([], [])
    assert plan_inputs(device) != before


@pytest.mark.parametrize(
    "annotations",
    [
        {CHANGED_ANNOTATION: "yesterday"},
        {CHANGED_ANNOTATION: "9999-12-31T23:30:00Z"},
        {FORMER_ANNOTATION: "{"},
        {FORMER_ANNOTATION: '[{"device.hostname": 7}]'},
    ],
)
def test_annotations_that_cannot_be_read_stop_nothing(annotations: dict[str, str]) -> None:
    device = changed(named(), hostname="localhost")
    device["metadata"]["annotations"] |= annotations
    assert delivered(device, web()) == ([], [])
    assert record_change(device, {NAME: "till-9"}, NOW)


def test_nothing_is_recorded_at_the_first_report_and_without_a_change() -> None:
    assert record_change(fleet_objects.device(), {NAME: "till-7"}, NOW) == {}
    assert record_change(named(), {NAME: "till-7"}, NOW) == {}
    assert record_change(named(), {"edgedeviceSignedRequest": None}, NOW) == {}


def listed(**labels: str) -> Object:
    """Return a device that runs `web`, as the operator sees it."""
    found = operator_objects.device(
        labels={NAME: "till-7", "workload/web": "true", **labels},
        workloads=[{"name": "web", "phase": "Running"}],
    )
    found["metadata"]["annotations"] = {}
    return found


def on_operator() -> Object:
    return operator_objects.workload("web", deviceSelector={"matchLabels": {NAME: "till-7"}})


def written(device: Object, now: datetime) -> list[Object]:
    plan = plan_device(device, [on_operator()], None, None, operator_objects.SETTINGS, now)
    return [step.patch for step in plan.steps if isinstance(step, Patch)]


def test_the_operator_lists_what_a_device_keeps_and_comes_back_in_time() -> None:
    device = changed(listed(), hostname="localhost")
    plan = plan_device(device, [on_operator()], None, None, operator_objects.SETTINGS, NOW)
    assert (plan.steps, plan.requeue_after) == ((), SETTLED.total_seconds())
    (patch,) = written(device, NOW + HOUR)
    assert patch["status"] == {"workloads": []}


def test_the_operator_does_not_list_what_the_device_never_had() -> None:
    device = changed(listed(), hostname="localhost")
    device["metadata"]["labels"].pop("workload/web")
    device["status"]["workloads"] = []
    assert written(device, NOW) == []


def test_a_kept_workload_is_explained() -> None:
    now = datetime.now(UTC)
    device = changed(listed(), now, hostname="localhost")
    end = format_time(now.replace(microsecond=0) + HOUR)
    (line,) = [line for line in explain_device(device, [on_operator()], []) if "web" in line]
    assert line == (
        "web no longer selects it, because a label that it reports changed; it keeps the "
        f"workload until {end}."
    )


@pytest.mark.looptime(start=time.monotonic)  # the fixtures had real time
async def test_a_held_request_is_answered_when_the_hour_is_over() -> None:
    loop, store, wakeups = asyncio.get_running_loop(), Store(), Wakeups()
    begin = loop.time()
    caches = Caches(store)  # type: ignore[arg-type]
    clock = lambda: NOW + timedelta(seconds=loop.time() - begin)  # noqa: E731
    configurations = Configurations(caches, wakeups, clock=clock)
    store.put(EDGE_DEVICE, changed(named(), hostname="localhost"))
    store.put(EDGE_WORKLOAD, web())
    running = asyncio.create_task(caches.run())
    await caches.wait_synced()
    (device,) = caches.devices.list()

    def kept() -> list[str] | None:
        return configurations.get(device).rendered.content.unresolved_workloads

    assert kept() == ["web"]
    await wakeups.wait(key_of(device), 2 * SETTLED.total_seconds())
    assert kept() is None
    assert loop.time() - begin < SETTLED.total_seconds() + 60
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_rendering_that_is_kept_is_of_the_newest_device() -> None:
    store = Store()
    caches = Caches(store)  # type: ignore[arg-type]
    configurations = Configurations(caches, Wakeups(), clock=lambda: NOW)
    store.put(EDGE_DEVICE, named())
    store.put(EDGE_WORKLOAD, web())
    running = asyncio.create_task(caches.run())
    await caches.wait_synced()
    (read_before,) = caches.devices.list()
    read_before = {**read_before, "metadata": {**read_before["metadata"], "labels": {}}}
    [workload] = configurations.get(read_before).rendered.content.workloads or ()
    assert workload.name == "web"
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@pytest.mark.looptime(start=time.monotonic)
async def test_a_selector_that_changes_reaches_a_device_that_keeps_the_workload() -> None:
    store, wakeups = Store(), Wakeups()
    caches = Caches(store)  # type: ignore[arg-type]
    configurations = Configurations(caches, wakeups, clock=lambda: NOW)
    store.put(EDGE_DEVICE, changed(named(), hostname="localhost"))
    store.put(EDGE_WORKLOAD, web())
    running = asyncio.create_task(caches.run())
    await caches.wait_synced()
    (device,) = caches.devices.list()
    assert configurations.get(device).rendered.content.unresolved_workloads == ["web"]

    waiting = asyncio.create_task(wakeups.wait(key_of(device), 3600))
    await asyncio.sleep(0)
    store.put(EDGE_WORKLOAD, web(matchLabels={NAME: "till-8"}))
    await waiting
    assert configurations.get(device).rendered.content.unresolved_workloads is None
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
