"""The worker is killed at random while it updates, probes and removes pods.

Whatever it was doing: no file below `/export` is lost, no workload has two pods, and no container
that is healthy is restarted.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from pods.device import Device
from pods.host import LIMIT
from pods.pod import SLEEP, ContainerState, Pod, container
from waiting import wait_until

pytestmark = [pytest.mark.deep, pytest.mark.timeout(7200)]
KILLS = int(os.environ.get("FLOTTA_POD_KILLS", "200"))
SEED = os.environ.get("FLOTTA_POD_SEED") or str(random.getrandbits(32))
PROBE = {"exec": {"command": ["test", "-e", "/tmp/alive"]}, "periodSeconds": 1}
LONGEST = 4.0  # seconds between two kills: most changes of a pod take less on an idle machine
AT_ONCE = 3  # kills in the course of one change


def healthy() -> dict[str, Any]:
    """Return a pod with probes of which nothing ever changes."""
    script = f"touch /tmp/alive; {SLEEP}"
    return {"containers": [container(script=script, livenessProbe=PROBE, readinessProbe=PROBE)]}


def numbered(number: int) -> dict[str, Any]:
    """Return a pod that writes its number into its files."""
    script = f"echo {number} >>/export/numbers; {SLEEP}"
    return {"terminationGracePeriodSeconds": 2, "containers": [container(script=script)]}


def ailing() -> dict[str, Any]:
    """Return a pod whose liveness probe fails until the worker has restarted its container once.

    The container beside that one is healthy.
    """
    script = f"mkdir /export/begun || touch /tmp/alive; {SLEEP}"
    probed = container(script=script, livenessProbe={**PROBE, "failureThreshold": 2})
    beside = container("beside", f"echo begun >>/export/beside; {SLEEP}")
    return {"terminationGracePeriodSeconds": 2, "containers": [probed, beside]}


@dataclass
class Run:
    """What was done until now, and what must be on the device."""

    device: Device
    steady: Pod
    healthy: dict[str, ContainerState]
    choice: random.Random = field(default_factory=lambda: random.Random(SEED))
    number: int = 0
    kills: int = 0

    def change(self) -> None:
        """Begin one change: an update, the removal of a pod, or a pod that its probe restarts."""
        if self.choice.random() < 0.5:
            self.number += 1
            self.device.deploy("updated", numbered(self.number))
        elif "ailing" in self.device.control.wanted:
            del self.device.control.wanted["ailing"]
            self.device.control.send()
        else:
            self.device.deploy("ailing", ailing())

    def kill(self) -> None:
        """Kill the worker at some moments of the change; systemd starts it again."""
        for _ in range(self.choice.randint(1, AT_ONCE)):
            time.sleep(self.choice.uniform(0, LONGEST))  # the moment is what the test varies
            self.device.kill_worker()
            self.kills += 1

    def settle(self) -> None:
        """Wait until the device has done what it was told last."""
        self.device.start_worker()
        self.device.control.send()  # a worker that is killed may not have stored it
        self.device.control.wait_applied()
        for name in self.device.control.wanted:
            self.device.pod(name).wait_running()
        if "ailing" in self.device.control.wanted:
            wait_until(self._is_cured, LIMIT, tolerate=AssertionError, pause=1)
        else:
            self.device.wait_gone("ailing")

    def _is_cured(self) -> bool:
        pod = self.device.pod("ailing")
        return pod.is_running() and pod.sh("test -e /tmp/alive && echo alive") == "alive"

    def check(self) -> None:
        assert self.steady.containers() == self.healthy
        assert self.device.pod_names() == sorted(self.device.control.wanted)
        numbers = self.device.host.sh(f"cat {self.device.export('updated')}/numbers").split()
        assert numbers[0] == "0"  # the first pod's, before any kill
        assert numbers[-1] == str(self.number)
        assert self.device.host.sh(f"ls {self.device.export('steady')}").split() == ["kept"]
        if "ailing" in self.device.control.wanted:
            assert self.device.pod("ailing").sh("cat /export/beside") == "begun"


@pytest.fixture
def run(device: Device) -> Iterator[Run]:
    print(f"FLOTTA_POD_SEED={SEED}")  # noqa: T201 (to repeat it)
    with (
        device.running("steady", healthy()) as steady,
        device.running("updated", numbered(0)),
    ):
        steady.sh("echo kept >/export/kept")
        steady.wait_phase("Running")
        yield Run(device, steady, steady.containers())
        if "ailing" in device.control.wanted:
            device.remove("ailing")


def test_no_file_is_lost_and_no_healthy_container_restarted(run: Run) -> None:
    while run.kills < KILLS:
        run.change()
        run.kill()
        run.settle()
        run.check()
