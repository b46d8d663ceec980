"""Hooks and the end of a pod where something is out of the ordinary."""

from __future__ import annotations

from typing import Any

import pytest

from pods.device import Device
from pods.pod import SLEEP, container
from waiting import wait_until

pytestmark = pytest.mark.deep  # the usual hooks are in test_process.py


def ended(device: Device, name: str) -> list[str]:
    """Return what the hooks and containers of a workload have written."""
    return device.host.sh(f"cat {device.export(name)}/end").split()


def hooked(*words: str, **fields: Any) -> dict[str, Any]:
    """Return a pod with a command before its end."""
    lifecycle = {"preStop": {"exec": {"command": ["sh", "-c", " ".join(words)]}}}
    return {"containers": [container(lifecycle=lifecycle)], **fields}


def test_a_pod_ends_with_the_hooks_that_it_was_started_with(device: Device) -> None:
    with device.running("changing", hooked("echo one >> /export/end")) as pod:
        device.update("changing", hooked("echo two >> /export/end"))
        assert pod.sh("cat /export/end").split() == ["one"]
        device.update("changing", {"containers": [container()]})
        assert pod.sh("cat /export/end").split() == ["one", "two"]
        device.update("changing", {"containers": [container(script=f"true; {SLEEP}")]})
        assert pod.sh("cat /export/end").split() == ["one", "two"]


def test_a_hook_that_hangs_ends_with_the_grace_period(device: Device) -> None:
    spec = hooked("echo begun >> /export/end; sleep 86400", terminationGracePeriodSeconds=3)
    with device.running("hanging", spec) as pod, device.without_worker():
        device.host.run("systemctl", "stop", pod.unit)
        assert ended(device, "hanging") == ["begun"]
        log = device.host.run("journalctl", "--no-pager", "-o", "cat", "-u", pod.unit)
        assert 'preStop hook of container "main" failed: podman did not finish within 3' in log
        assert not [one for one in pod.containers().values() if one.state == "running"]


def test_no_grace_period_leaves_no_time_for_a_hook(device: Device) -> None:
    spec = hooked("echo begun >> /export/end", terminationGracePeriodSeconds=0)
    with device.running("hasty", spec) as pod, device.without_worker():
        device.host.run("systemctl", "restart", pod.unit)
        assert pod.sh("ls /export") == ""


def test_the_longest_grace_period_is_a_day(device: Device) -> None:
    spec = hooked("true", terminationGracePeriodSeconds=86400)
    with device.running("patient", spec) as pod:
        seconds = ("systemctl", "show", "--value", "-p", "TimeoutStopUSec", pod.unit)
        assert device.host.run(*seconds).strip() == "1d 1min"


def failing(policy: str) -> dict[str, Any]:
    lifecycle = {"postStart": {"exec": {"command": ["sh", "-c", "exit 7"]}}}
    main = container(script=f"echo x >> /export/end; {SLEEP}", lifecycle=lifecycle)
    return {"restartPolicy": policy, "containers": [main]}


def test_a_start_whose_hook_fails_is_repeated(device: Device) -> None:
    with device.deployed("failing", failing("Always")) as pod:
        status = pod.wait_reason("PostStartHookFailed")
        assert status["message"].startswith('the postStart hook of container "main" failed: ')
        wait_until(lambda: len(ended(device, "failing")) > 1, pause=0.5)


def test_a_pod_that_runs_once_ends_when_its_hook_fails(device: Device) -> None:
    with device.deployed("single", failing("Never")) as pod:
        pod.wait_reason("PostStartHookFailed")
        device.stop_worker()
        device.start_worker()
        assert pod.wait_phase("Exited")
        assert ended(device, "single") == ["x"]


def test_a_pod_that_ends_runs_its_init_containers_once(device: Device) -> None:
    spec = {
        "restartPolicy": "Never",
        "initContainers": [container("first", "echo init >> /export/end")],
        "containers": [container(script="echo main >> /export/end")],
    }
    with device.deployed("job", spec) as pod:
        pod.wait_reason("Completed")
        device.stop_worker()
        device.start_worker()
        pod.wait_reason("Completed")
        assert ended(device, "job") == ["init", "main"]
