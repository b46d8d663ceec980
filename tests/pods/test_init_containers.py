"""Init containers: once in a start, whatever the restart policy, with or without the worker."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pods.device import Device
from pods.pod import SLEEP, Pod, container
from waiting import wait_until

SHARED = {"name": "shared", "mountPath": "/shared"}
COUNT = "echo $INIT >> /export/runs"


def initial(name: str, script: str) -> dict[str, object]:
    return container(
        name, script, volumeMounts=[SHARED], env=[{"name": "INIT", "value": f"{name}-$(DEVICE_ID)"}]
    )


@pytest.fixture(scope="module")
def pod(device: Device) -> Iterator[Pod]:
    spec = {
        "initContainers": [
            initial("first", f"{COUNT}; echo one > /shared/file"),
            initial("second", f"{COUNT}; cat /shared/file > /export/copy; hostname > /export/host"),
        ],
        "containers": [container(volumeMounts=[SHARED])],
        "volumes": [{"name": "shared", "emptyDir": {}}],
    }
    with device.running("staged", spec) as pod:
        yield pod


ONCE = ["first-edge-1", "second-edge-1"]


def test_each_runs_once_in_order_and_shares_volumes_and_export(pod: Pod) -> None:
    assert pod.sh("cat /export/runs").split() == ONCE
    assert pod.sh("cat /export/copy /shared/file") == "one\none"
    assert pod.sh("cat /export/host") == "staged"
    assert set(pod.containers()) == {"main"}


@pytest.mark.deep  # test_without_worker.py has restarts, reboots, and a power cut while a pod runs
def test_a_power_cut_during_one_leaves_nothing_in_the_way(device: Device) -> None:
    script = "test -e /export/second || { touch /export/second; exec sleep 3600; }"
    spec = {"initContainers": [container("cut", script)], "containers": [container()]}
    with device.deployed("cut", spec) as pod:
        device.control.wait_status("cut", lambda status: "is running" in status.get("message", ""))
        device.host.sh(f"until test -e {device.export('cut')}/second; do sleep 0.1; done")
        device.control.forget()
        device.host.cut_power()
        pod.wait_running()


@pytest.mark.deep
@pytest.mark.parametrize("policy", ["Always", "OnFailure"])
def test_one_that_takes_long_runs_once_before_the_others(device: Device, policy: str) -> None:
    script = "echo long >> /export/runs; until test -e /export/open; do sleep 1; done"
    main = container(script=f"echo main >> /export/runs; {SLEEP}")
    spec = {
        "restartPolicy": policy,
        "initContainers": [container("long", script)],
        "containers": [main],
    }
    with device.deployed("slow", spec) as pod:
        status = device.control.wait_status("slow", lambda status: "message" in status)
        assert (status["reason"], status["message"]) == (
            "Initializing",
            'init container "long" is running',
        )
        device.host.sh(f"touch {device.export('slow')}/open")
        pod.wait_running()
        with device.without_worker():
            device.host.run("systemctl", "restart", pod.unit)
            assert pod.sh("cat /export/runs").split() == ["long", "main", "long", "main"]


@pytest.mark.deep  # what becomes of a failure is in tests/unit/test_worker_pod_stages.py
def test_a_stop_ends_an_init_container_and_a_failed_one_is_tried_again(device: Device) -> None:
    script = "test -e /export/go || exit 3"
    spec = {
        "initContainers": [container("gate", script), container("slow", "sleep 3600")],
        "containers": [container()],
    }
    with device.deployed("gated", spec) as pod:
        status = pod.wait_reason("InitContainerFailed")
        assert status["message"] == 'init container "gate" exited with code 3'
        device.host.sh(f"touch {device.export('gated')}/go")
        status = device.control.wait_status(
            "gated", lambda status: "slow" in status.get("message", "")
        )
        assert status["message"] == 'init container "slow" is running'
        assert "main" not in pod.containers()
    assert device.host.run("podman", "pod", "ps", "--format", "{{.Name}}").split() == ["staged"]


@pytest.mark.deep
def test_one_that_fails_ends_a_pod_that_runs_only_once(device: Device) -> None:
    spec = {
        "restartPolicy": "Never",
        "initContainers": [container("bad", "echo x >> /export/runs; exit 4")],
        "containers": [container()],
    }
    with device.deployed("once", spec) as pod:
        status = pod.wait_reason("InitContainerFailed")
        assert status["message"] == 'init container "bad" exited with code 4'
        state = ("systemctl", "show", "--value", "-p", "ActiveState", "-p", "Result", pod.unit)
        wait_until(lambda: device.host.run(*state).split() == ["success", "inactive"], pause=0.5)
        device.stop_worker()
        device.start_worker()
        assert pod.wait_reason("InitContainerFailed")["message"] == status["message"]
        assert device.host.sh(f"cat {device.export('once')}/runs").split() == ["x"]
