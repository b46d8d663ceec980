"""Labels that a device reports, beside those that somebody gave it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import fleet_objects
import pytest
from fleet_objects import Objects

from flotta.edge_api.backends.crd.hardware_labels import plan_labels
from flotta.fleet.former_labels import is_unsettled
from flotta.fleet.rendering import render_configuration
from flotta.fleet.self_asserted import ASSERTED_ANNOTATION
from flotta.protocol.hardware import HardwareInfo

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
NAME, SERIAL = "device.hostname", "device.system-serial"
Object = dict[str, Any]


def labelled(asserted: str | None = "", **labels: str) -> Object:
    device = fleet_objects.device(**{f"device.{key}": text for key, text in labels.items()})
    if asserted is not None:
        device["metadata"]["annotations"] = {ASSERTED_ANNOTATION: asserted}
    return device


def after(device: Object, hostname: str, before: str | None = None, now: datetime = NOW) -> Object:
    """Return the device after a report of its name."""
    old: Any = {"hardware": {"hostname": before}} if before else {}
    new: Any = {"hardware": {"hostname": hostname}}
    change = plan_labels(device, old, new, HardwareInfo(hostname=hostname), now)
    metadata = device["metadata"]
    merged = {
        part: {
            key: text
            for key, text in {**metadata.get(part, {}), **(change or {}).get(part, {})}.items()
            if text is not None
        }
        for part in ("labels", "annotations")
    }
    return device | {"metadata": metadata | merged}


def asserted_by(device: Object) -> str | None:
    return device["metadata"].get("annotations", {}).get(ASSERTED_ANNOTATION)


def test_a_report_adds_and_corrects_what_the_device_asserted() -> None:
    first = after(labelled(), "till-7")
    assert first["metadata"]["labels"][NAME] == "till-7"
    assert asserted_by(first) == f"{NAME}=till-7"
    second = after(first, "till-8")
    assert second["metadata"]["labels"][NAME] == "till-8"
    assert asserted_by(second) == f"{NAME}=till-8"


def test_a_report_that_repeats_itself_writes_nothing() -> None:
    device = after(labelled(), "till-7")
    status: Any = {"hardware": {"hostname": "till-7"}}
    assert plan_labels(device, status, status, HardwareInfo(hostname="till-7"), NOW) is None


@pytest.mark.parametrize("asserted", ["", f"{NAME}=till-7", NAME, "nonsense"])
def test_a_label_that_somebody_gave_wins(asserted: str) -> None:
    device = after(labelled(asserted, hostname="given"), "till-9")
    assert device["metadata"]["labels"][NAME] == "given"
    assert NAME not in (asserted_by(device) or "")


def test_a_name_that_an_administrator_changed_is_not_changed_back() -> None:
    device = after(labelled(), "till-7")
    device["metadata"]["labels"][NAME] = "till-1"
    for reported in ("till-7", "till-9"):
        device = after(device, reported)
        assert device["metadata"]["labels"][NAME] == "till-1"
    del device["metadata"]["labels"][NAME]
    assert after(device, "till-9")["metadata"]["labels"][NAME] == "till-9"


def test_a_label_of_an_object_that_was_made_by_hand_is_not_shaken_off() -> None:
    """The device reports first what it was given, and then something else."""
    device = after(labelled(None, hostname="db1"), "db1")
    device = after(device, "vault", before="db1")
    assert device["metadata"]["labels"][NAME] == "db1"


def test_a_given_label_that_is_removed_keeps_no_workload() -> None:
    role = "device.role"
    vault = fleet_objects.workload("web", deviceSelector={"matchLabels": {role: "vault"}})
    device = after(after(labelled("", role="vault"), "till-7"), "localhost", before="till-7")
    assert is_unsettled(device)
    assert not render_configuration(device, Objects(vault)).content.unresolved_workloads
    del device["metadata"]["labels"][role]
    assert not render_configuration(device, Objects(vault)).content.unresolved_workloads


def test_a_device_of_an_earlier_release_asserted_what_its_hardware_says() -> None:
    device = labelled(None, hostname="till-7", **{"system-serial": "given"})
    moved = after(device, "till-8", before="till-7")
    assert moved["metadata"]["labels"][NAME] == "till-8"
    assert moved["metadata"]["labels"][SERIAL] == "given"
    assert asserted_by(moved) == f"{NAME}=till-8"
    assert asserted_by(after(device, "till-7", before="till-7")) == f"{NAME}=till-7"


def test_a_given_label_counts_at_once_and_keeps_nothing_unsettled() -> None:
    web = fleet_objects.workload(
        "web", deviceSelector={"matchLabels": {NAME: "till-7", "role": "till"}}
    )
    device = after(after(labelled(), "till-7"), "localhost", before="till-7")
    assert is_unsettled(device)
    assert render_configuration(device, Objects(web)).content.unresolved_workloads == ["web"]
    device["metadata"]["labels"][NAME] = "till-1"
    assert not render_configuration(device, Objects(web)).content.unresolved_workloads
    later = after(device, "localhost", before="localhost", now=NOW + timedelta(hours=2))
    assert not is_unsettled(later)
    assert later["metadata"]["labels"][NAME] == "till-1"
