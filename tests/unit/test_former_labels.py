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
    record_change,
    settle,
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


def settled(device: Object, now: datetime, **reported: str) -> Object:
    """Return the device after a report that changed no label."""
    metadata = device["metadata"]
    gone = settle(device, {f"device.{key}": text for key, text in reported.items()}, now)
    annotations = {key: text for key, text in metadata["annotations"].items() if key not in gone}
    return device | {"metadata": metadata | {"annotations": annotations}}


def delivered(device: Object, workload: Object) -> tuple[list[str], list[str]]:
    """Return the names of what is delivered, and of what the device keeps."""
    content = render_configuration(device, Objects(workload)).content
    return [item.name for item in content.workloads or ()], content.unresolved_workloads or []


def test_a_workload_is_kept_until_a_report_shows_after_an_hour_that_the_new_name_stays() -> None:
    assert delivered(named(), web()) == (["web"], [])
    device = changed(named(), hostname="localhost")
    assert delivered(device, web()) == ([], ["web"])
    early = settled(device, NOW + HOUR - timedelta(seconds=1), hostname="localhost")
    assert delivered(early, web()) == ([], ["web"])
    late = settled(device, NOW + HOUR, hostname="localhost")
    assert delivered(late, web()) == ([], [])
    assert late["metadata"]["annotations"] == {}


@pytest.mark.parametrize("reported", [{}, {"hostname": "till-7"}, {"cpu-architecture": "x86_64"}])
def test_a_report_without_the_new_name_does_not_show_that_it_stays(
    reported: dict[str, str],
) -> None:
    device = changed(named(), hostname="localhost")
    assert settle(device, {f"device.{k}": v for k, v in reported.items()}, NOW + 9 * HOUR) == {}


def test_a_report_need_not_repeat_a_label_that_did_not_change() -> None:
    device = changed(changed(named(), **{"cpu-model": "n100"}), hostname="localhost")
    device = settled(device, NOW + HOUR, **{"cpu-model": "n100", "hostname": "localhost"})
    device = changed(device, NOW + HOUR, hostname="dhcp-1")
    assert delivered(settled(device, NOW + 2 * HOUR, hostname="dhcp-1"), web()) == ([], [])


def test_the_hour_begins_again_with_each_change_and_the_first_labels_still_count() -> None:
    device = named()
    for number in range(2 * MOST):
        now = NOW + number * HOUR / 2
        device = changed(device, now, hostname=f"dhcp-{number}")
        device = settled(device, now + HOUR / 2, hostname=f"dhcp-{number}")
        assert delivered(device, web()) == ([], ["web"])
    assert delivered(settled(device, now + HOUR, hostname=f"dhcp-{number}"), web()) == ([], [])


def test_the_first_labels_still_count_when_they_came_back_meanwhile() -> None:
    device = changed(changed(named(), hostname="dhcp"), hostname="till-7")
    for number in range(2 * MOST):
        device = changed(device, NOW + number * HOUR / 6, hostname=f"dhcp-{number}")
    assert delivered(device, web()) == ([], ["web"])


def test_what_came_with_a_name_of_a_moment_is_kept_too() -> None:
    device = changed(named(), hostname="dhcp-1")
    other = web(matchLabels={NAME: "dhcp-1"})
    assert delivered(device, other) == (["web"], [])
    device = changed(device, NOW + HOUR / 2, hostname="till-7")
    assert delivered(device, other) == ([], ["web"])
    assert delivered(device, web()) == (["web"], [])


def test_labels_of_before_a_change_that_stayed_do_not_count() -> None:
    device = settled(changed(named(), hostname="dhcp-1"), NOW + HOUR, hostname="dhcp-1")
    device = changed(device, NOW + HOUR, hostname="dhcp-2")
    assert delivered(device, web()) == ([], [])


def test_labels_count_whose_change_nothing_confirmed_however_long_ago_it_was() -> None:
    device = changed(named(), hostname="dhcp-1")
    device = changed(device, NOW + 9 * HOUR, hostname="dhcp-2")
    assert delivered(device, web()) == ([], ["web"])


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


def written(device: Object) -> list[Object]:
    plan = plan_device(device, [on_operator()], None, None, operator_objects.SETTINGS, NOW)
    return [step.patch for step in plan.steps if isinstance(step, Patch)]


def test_the_operator_lists_what_a_device_keeps_and_comes_back_when_it_keeps_it_no_longer() -> None:
    device = changed(listed(), hostname="localhost")
    assert written(device) == []
    after = settled(device, NOW + HOUR, hostname="localhost")
    assert plan_inputs(after) != plan_inputs(device)
    (patch,) = written(after)
    assert patch["status"] == {"workloads": []}


def test_the_operator_does_not_list_what_the_device_never_had() -> None:
    device = changed(listed(), hostname="localhost")
    device["metadata"]["labels"].pop("workload/web")
    device["status"]["workloads"] = []
    assert written(device) == []


def test_a_kept_workload_is_explained() -> None:
    now = datetime.now(UTC)
    device = changed(listed(), now, hostname="localhost")
    end = format_time(now.replace(microsecond=0) + HOUR)
    (line,) = [line for line in explain_device(device, [on_operator()], []) if "web" in line]
    assert line == (
        "web no longer selects it, because a label that it reports changed; it keeps the "
        f"workload until it reports the new label at {end} or later."
    )


@pytest.mark.looptime(start=time.monotonic)  # the fixtures had real time
async def test_a_held_request_is_answered_when_a_report_shows_that_the_new_name_stays() -> None:
    loop, store, wakeups = asyncio.get_running_loop(), Store(), Wakeups()
    caches = Caches(store)  # type: ignore[arg-type]
    configurations = Configurations(caches, wakeups)
    renamed = changed(named(), datetime.now(UTC) - 9 * HOUR, hostname="localhost")
    store.put(EDGE_DEVICE, renamed)
    store.put(EDGE_WORKLOAD, web())
    running = asyncio.create_task(caches.run())
    await caches.wait_synced()
    (device,) = caches.devices.list()

    def kept() -> list[str] | None:
        return configurations.get(device).rendered.content.unresolved_workloads

    assert kept() == ["web"]
    await wakeups.wait(key_of(device), 9 * HOUR.total_seconds())
    assert kept() == ["web"]  # time alone changes nothing
    begin = loop.time()
    waiting = asyncio.create_task(wakeups.wait(key_of(device), HOUR.total_seconds()))
    await asyncio.sleep(0)
    store.put(EDGE_DEVICE, settled(renamed, datetime.now(UTC), hostname="localhost"))
    await waiting
    assert kept() is None
    assert loop.time() - begin < HOUR.total_seconds()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_rendering_that_is_kept_is_of_the_newest_device() -> None:
    store = Store()
    caches = Caches(store)  # type: ignore[arg-type]
    configurations = Configurations(caches, Wakeups())
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
    configurations = Configurations(caches, wakeups)
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
