"""What stands on a device is kept, and what goes wrong is told by its cause."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from pods.device import Device
from pods.pod import SLEEP, Pod, container
from waiting import wait_until

SCRIPT = f"echo data >>/export/state.db; {SLEEP}"
SPEC: dict[str, Any] = {"containers": [container(script=SCRIPT)]}
HEX = re.compile(r"[0-9a-f]{12,}")


@pytest.fixture(scope="module")
def kept(device: Device) -> Iterator[Pod]:
    pod = device.run("kept", SPEC, data={"retention": "Keep"})
    wait_until(lambda: device.host.sh(f"cat {device.export('kept')}/state.db", check=False))
    yield pod
    device.control.unresolved.clear()
    device.remove("kept")


def restore(device: Device) -> None:
    device.update("kept", SPEC, data={"retention": "Keep"})


def test_a_workload_that_cannot_be_delivered_runs_on(device: Device, kept: Pod) -> None:
    before = kept.containers()
    wanted = device.control.wanted.pop("kept")
    device.control.unresolved.add("kept")
    device.control.send()
    device.control.wait_applied()
    assert kept.containers() == before
    assert kept.sh("cat /export/state.db") == "data"
    device.control.unresolved.clear()
    device.control.wanted["kept"] = wanted
    device.control.send()
    device.control.wait_applied()
    assert kept.containers() == before


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({"containers": []}, "InvalidSpecification"),
        ({"containers": [container(image="localhost/absent:1")]}, "ImageNeverPull"),
        (
            {"containers": [container(envFrom=[{"configMapRef": {"name": "gone"}}])]},
            "ConfigMapNotFound",
        ),
    ],
)
def test_a_version_that_cannot_be_had_leaves_the_one_before(
    device: Device, kept: Pod, spec: dict[str, Any], reason: str
) -> None:
    before = kept.containers()
    device.deploy("kept", spec, data={"retention": "Keep"})
    device.control.wait_status("kept", lambda status: status.get("reason") == reason)
    assert device.control.status("kept")["status"] == "Running"
    assert kept.containers() == before
    restore(device)
    assert kept.containers() == before


@pytest.mark.deep
def test_a_pod_that_the_device_stopped_starts_again_as_it_was(device: Device, kept: Pod) -> None:
    device.deploy("kept", {"containers": []}, data={"retention": "Keep"})
    device.control.wait_status("kept", lambda s: s.get("reason") == "InvalidSpecification")
    device.host.run("systemctl", "stop", kept.unit, seconds=180)
    wait_until(
        lambda: device.host.sh(f"systemctl is-active '{kept.unit}'", check=False) == "active\n"
    )
    wait_until(kept.is_running)  # while it was stopped, the device reported an error
    restore(device)


def test_a_start_that_fails_is_told_by_its_cause(device: Device) -> None:
    volume = {"name": "data", "hostPath": {"path": "/srv/not-there", "type": "Directory"}}
    mount = {"name": "data", "mountPath": "/data"}
    spec = {"containers": [container(volumeMounts=[mount])], "volumes": [volume]}
    with device.deployed("nowhere", spec) as nowhere:
        status = nowhere.wait_reason("PodStartFailed")
        assert "/srv/not-there" in status["message"]
        assert "no such pod" not in status["message"]
        assert not HEX.search(status["message"])
        device.deploy("nowhere", {"containers": [container(command=["/not/there"])]})
        status = nowhere.wait_reason("ContainerStartFailed")
        assert "/not/there" in status["message"]
        assert not HEX.search(status["message"])


def test_files_that_are_kept_outlive_the_workload(device: Device, kept: Pod) -> None:
    read = f"cat {device.export('kept')}/state.db"
    written = device.host.sh(read)
    device.remove("kept")
    assert device.host.sh(read) == written
    with device.running("kept", SPEC):
        wait_until(lambda: device.host.sh(read) == f"{written}data\n")
    assert device.host.sh(f"test -e {device.export('kept')} || echo gone") == "gone\n"
