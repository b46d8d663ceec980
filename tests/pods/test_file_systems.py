"""Files of workloads on file systems of their own: full, read-only, absent, mounted late."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from pods.device import VOLUMES, WORKER, Device
from pods.pod import SLEEP, Pod, container
from waiting import wait_until

pytestmark = pytest.mark.deep  # many starts of pods
NAME = "own"
DISK = "/srv/own"  # it stays when it is not mounted, as what is on a disk does
SCRIPT = f"test -e /export/state || echo data >/export/state; {SLEEP}"


def spec(value: str = "first") -> dict[str, Any]:
    env = [{"name": "VALUE", "value": value}]
    return {
        "containers": [container(script=SCRIPT, env=env)],
        "terminationGracePeriodSeconds": 1,
    }


def mount(device: Device, source: str = DISK, target: str = f"{VOLUMES}/{NAME}") -> None:
    device.host.sh(f"mkdir -p {source} {target} && mount --bind {source} {target}")


def unmount(device: Device, target: str = f"{VOLUMES}/{NAME}") -> None:
    device.host.sh(f"umount --lazy {target}")


@pytest.fixture
def pod(device: Device) -> Iterator[Pod]:
    """Run a workload whose export directory is a file system of 1 MiB."""
    device.host.sh(f"mkdir -p {DISK} && mount -t tmpfs -o size=1M disk {DISK}")
    mount(device)
    yield device.run(NAME, spec())
    device.host.sh(f"mountpoint -q {VOLUMES}/{NAME} || mount --bind {DISK} {VOLUMES}/{NAME}")
    device.host.sh(f"mount -o remount,rw {DISK}")
    device.remove(NAME)
    device.host.sh(f"umount {VOLUMES}/{NAME} {DISK}; rmdir {VOLUMES}/{NAME}", check=False)


def test_a_full_a_read_only_and_an_absent_file_system_lose_nothing(
    device: Device, pod: Pod
) -> None:
    assert device.host.sh(f"cat {DISK}/state") == "data\n"
    pod.sh("dd if=/dev/zero of=/export/big bs=64k count=99 2>&1", check=False)
    assert "No space" in pod.sh("(echo x >/export/more) 2>&1", check=False)
    device.update(NAME, spec("while it is full"))
    assert pod.sh("cat /export/state; echo $VALUE") == "data\nwhile it is full"
    pod.sh("rm /export/big /export/more")

    device.host.sh(f"mount -o remount,ro {DISK}")
    device.update(NAME, spec("while it is read-only"))
    assert pod.sh("cat /export/state; echo $VALUE") == "data\nwhile it is read-only"
    assert "Read-only" in pod.sh("touch /export/x 2>&1", check=False)
    device.host.sh(f"mount -o remount,rw {DISK}")

    before = pod.containers()
    unmount(device)
    device.deploy(NAME, spec("while it is absent"))
    status = pod.wait_reason("DiskFailure")
    assert (status["status"], pod.containers()) == ("Running", before)
    assert f"{VOLUMES}/{NAME} is not mounted" in status["message"]
    assert device.host.sh(f"ls -A {VOLUMES}/{NAME}") == ""

    mount(device)
    wait_until(lambda: pod.sh("echo $VALUE", check=False) == "while it is absent", 120)
    assert pod.sh("cat /export/state") == "data"


def test_the_removal_of_a_workload_waits_for_its_file_system(device: Device, pod: Pod) -> None:
    pod.sh("echo more >/export/more")
    unmount(device)
    wanted = device.control.wanted.pop(NAME)
    device.control.send()
    wait_until(
        lambda: any(
            event["reason"] == "RemovalIncomplete" and "is not mounted" in event["message"]
            for event in device.control.events()
        ),
        120,
    )
    assert device.host.sh(f"ls {DISK}").split() == ["more", "state"]
    mount(device)
    device.wait_gone(NAME)
    assert device.host.sh(f"ls -A {DISK}; mountpoint {VOLUMES}/{NAME}") == (
        f"{VOLUMES}/{NAME} is a mountpoint\n"
    )
    device.control.wanted[NAME] = wanted
    device.control.send()
    wait_until(pod.is_running, 120)


@pytest.mark.parametrize("target", [VOLUMES, f"{VOLUMES}/late"])
def test_a_pod_waits_for_a_file_system_that_is_mounted_late(device: Device, target: str) -> None:
    disk = "/srv/late"
    mount(device, disk, target)
    device.host.sh(f"systemctl restart {WORKER}")
    with device.running("late", spec()) as pod:
        pod.sh("echo kept >/export/state")
        with device.without_worker(reboot=True):
            refused = (
                f"journalctl --boot --no-pager --unit='{pod.unit}' | grep 'is not mounted' || true"
            )
            wait_until(lambda: device.host.sh(refused), 120)
            assert device.host.sh(f"ls -A {VOLUMES}/late 2>/dev/null || true") == ""
            mount(device, disk, target)
            wait_until(pod.is_running, 120, pause=0.5)  # systemd tries again every 30 s
            assert pod.sh("cat /export/state") == "kept"
        pod.wait_phase("Running")
    device.host.sh(f'test -z "$(find {disk} -name state)"')
    unmount(device, target)
    device.host.sh(f"rm /var/lib/flotta/worker/mounts.json; systemctl restart {WORKER}")


def test_a_new_workload_says_that_nothing_can_be_written(device: Device) -> None:
    device.host.sh(f"mount --bind {VOLUMES} {VOLUMES} && mount -o remount,ro,bind {VOLUMES}")
    new = device.deploy("new", spec())
    try:
        status = new.wait_reason("DiskFailure")
        assert status["message"] == (
            f"{VOLUMES}/new: the file system is read-only; remount it writable"
        )
        device.host.sh(f"mount -o remount,rw,bind {VOLUMES}")
        wait_until(new.is_running, 120)
    finally:
        device.host.sh(f"mount -o remount,rw,bind {VOLUMES}")
        device.remove("new")
        unmount(device, VOLUMES)
        device.host.sh(f"rm /var/lib/flotta/worker/mounts.json; systemctl restart {WORKER}")
