"""What stands on a device is kept, and what goes wrong is told by its cause."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from pods.device import Device
from pods.pod import SLEEP, Pod, container
from waiting import wait_until

SCRIPT = f"echo data >/export/state.db; {SLEEP}"
SPEC: dict[str, Any] = {"containers": [container(script=SCRIPT)]}
HEX = re.compile(r"[0-9a-f]{12,}")


@pytest.fixture(scope="module")
def kept(device: Device) -> Iterator[Pod]:
    pod = device.run("kept", SPEC, data={"retention": "Keep"})
    wait_until(lambda: device.host.sh(f"cat {device.export('kept')}/state.db", check=False))
    yield pod
    device.control.unresolved.clear()
    device.remove("kept", "crash", "nowhere")


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


def test_a_pod_that_the_device_stopped_starts_again_as_it_was(device: Device, kept: Pod) -> None:
    device.deploy("kept", {"containers": []}, data={"retention": "Keep"})
    device.control.wait_status("kept", lambda s: s.get("reason") == "InvalidSpecification")
    device.host.run("systemctl", "stop", kept.unit, seconds=180)
    wait_until(
        lambda: device.host.sh(f"systemctl is-active '{kept.unit}'", check=False) == "active\n"
    )
    wait_until(kept.is_running)  # while it was stopped, the device reported an error
    restore(device)


def test_a_crash_is_told_with_the_end_of_the_log(device: Device, kept: Pod) -> None:
    script = "echo starting; echo 'cannot open /etc/shop.conf' >&2; exit 3"
    device.deploy("crash", {"restartPolicy": "Never", "containers": [container(script=script)]})
    status = device.control.wait_status(
        "crash", lambda status: "its log ends with" in status.get("message", "")
    )
    assert status["reason"] == "ContainerFailed"
    assert status["message"] == (
        'container "main" exited with code 3; its log ends with: '
        "starting | cannot open /etc/shop.conf"
    )
    device.remove("crash")


def test_a_start_that_fails_is_told_by_its_cause(device: Device, kept: Pod) -> None:
    volume = {"name": "data", "hostPath": {"path": "/srv/not-there", "type": "Directory"}}
    mount = {"name": "data", "mountPath": "/data"}
    device.deploy("nowhere", {"containers": [container(volumeMounts=[mount])], "volumes": [volume]})
    status = device.control.wait_status("nowhere", lambda status: status.get("status") == "Error")
    assert "/srv/not-there" in status["message"]
    assert "no such pod" not in status["message"]
    assert not HEX.search(status["message"])
    device.deploy("nowhere", {"containers": [container(command=["/not/there"])]})
    status = device.control.wait_status(
        "nowhere", lambda status: status.get("reason") == "ContainerStartFailed"
    )
    assert "/not/there" in status["message"]
    assert not HEX.search(status["message"])
    device.remove("nowhere")


def test_files_that_are_kept_outlive_the_workload(device: Device, kept: Pod) -> None:
    path = f"{device.export('kept')}/state.db"
    device.remove("kept")
    assert device.host.sh(f"cat {path}") == "data\n"
    device.run("kept", SPEC)
    device.remove("kept")
    assert device.host.sh(f"test -e {device.export('kept')} || echo gone") == "gone\n"
    device.run("kept", SPEC)
