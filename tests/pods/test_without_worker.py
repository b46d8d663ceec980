"""A pod lives without the worker: systemd starts it at boot and again, one pod at a time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pods.device import Device
from pods.host import LIMIT
from pods.pod import SLEEP, Pod, container
from waiting import wait_until

NAME = "alone"
BEGIN = "echo begun >>/export/begun"


@pytest.fixture(scope="module")
def pod(device: Device) -> Iterator[Pod]:
    spec = {
        "initContainers": [container("init", "echo run >>/export/inits")],
        "containers": [container(script=f"{BEGIN}; {SLEEP}"), container("beside")],
    }
    with device.running(NAME, spec) as pod:
        pod.wait_phase("Running")
        yield pod


def begun(pod: Pod) -> int:
    """Return how often the container has begun."""
    return len(pod.sh("cat /export/begun").splitlines())


def initialised(pod: Pod) -> int:
    """Return how often the init container has run."""
    return len(pod.sh("cat /export/inits").splitlines())


def test_the_worker_leaves_alone_what_runs(device: Device, pod: Pod) -> None:
    before = pod.containers()
    with device.without_worker():
        assert pod.containers() == before
    pod.wait_phase("Running")
    device.kill_worker()
    device.start_worker()
    pod.wait_phase("Running")
    assert pod.containers() == before


def test_a_restart_of_the_unit_makes_one_other_pod(device: Device, pod: Pod) -> None:
    before, times, inits = pod.containers(), begun(pod), initialised(pod)
    with device.without_worker():
        device.host.sh(f"systemctl restart {pod.unit}")
        wait_until(pod.is_running, LIMIT, pause=0.5)
        after = pod.containers()
        assert after.keys() == before.keys()
        assert not {state.id for state in before.values()} & {state.id for state in after.values()}
        assert (begun(pod), initialised(pod)) == (times + 1, inits + 1)
    pod.wait_phase("Running")
    assert pod.containers() == after


def test_a_container_that_exits_is_started_again(device: Device, pod: Pod) -> None:
    times, inits = begun(pod), initialised(pod)
    with device.without_worker():
        pod.sh("kill 1", check=False)
        wait_until(
            lambda: pod.is_running() and begun(pod) == times + 1,
            LIMIT,
            tolerate=AssertionError,
            pause=0.5,
        )
        assert initialised(pod) == inits


def test_a_reboot_starts_the_pod_once(device: Device, pod: Pod) -> None:
    times, inits = begun(pod), initialised(pod)
    with device.without_worker(reboot=True):
        wait_until(pod.is_running, LIMIT, pause=0.5)
        after = pod.containers()
        assert (begun(pod), initialised(pod)) == (times + 1, inits + 1)
    pod.wait_phase("Running")
    assert pod.containers() == after


def test_a_power_cut_leaves_one_pod_and_its_files(device: Device, pod: Pod) -> None:
    times, inits = begun(pod), initialised(pod)
    device.host.sh("sync")
    device.control.forget()
    device.host.cut_power()
    pod.wait_phase("Running")
    wait_until(pod.is_running, LIMIT, pause=0.5)
    assert (begun(pod), initialised(pod)) == (times + 1, inits + 1)
    assert device.pod_names() == [NAME]
