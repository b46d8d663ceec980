"""A field that podman would ignore is refused, and what runs keeps running."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from pods.device import Device
from pods.pod import Pod, container

PROFILES = "/var/lib/kubelet/seccomp"
SECCOMP = "sed -n 's/^Seccomp:[[:space:]]*//p' /proc/self/status"


LOCAL = {"type": "Localhost", "localhostProfile": "no-chmod.json"}


def context(user: int, **profile: str) -> dict[str, Any]:
    ids = {"runAsUser": user, "runAsGroup": user}
    return {"securityContext": {**ids, **({"seccompProfile": profile} if profile else {})}}


SPEC: dict[str, Any] = {
    "securityContext": {"runAsUser": 1000, "runAsGroup": 3000, "seccompProfile": LOCAL},
    "containers": [
        container(**context(0, type="Unconfined")),
        container("usual", **context(0, type="RuntimeDefault")),
        container("local", **context(0, **LOCAL)),
        container("plain"),
    ],
}


@pytest.fixture(scope="module")
def pod(device: Device) -> Iterator[Pod]:
    rule = '{"names": ["chmod", "fchmodat", "fchmodat2"], "action": "SCMP_ACT_ERRNO"}'
    device.host.write(
        f"{PROFILES}/no-chmod.json",
        f'{{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{rule}]}}',
    )
    with device.running("stays", SPEC) as pod:
        yield pod


def test_each_container_has_its_seccomp_profile(pod: Pod) -> None:
    filtered = {name: pod.sh(SECCOMP, name) for name in pod.expected}
    assert filtered == {"main": "0", "usual": "2", "local": "2", "plain": "2"}
    change = "touch /dev/shm/{0} && chmod 600 /dev/shm/{0} 2>&1"
    assert pod.sh(change.format("usual"), "usual") == ""
    for name in ("local", "plain"):
        assert "not permitted" in pod.sh(change.format(name), name, check=False)


def test_users_of_the_pod_are_those_of_containers_without_their_own(pod: Pod) -> None:
    assert pod.sh("id -u; id -g", "plain") == "1000\n3000"
    assert pod.sh("id -u; id -g") == "0\n0"


def test_a_field_that_is_refused_is_named_and_the_pod_runs_on(device: Device, pod: Pod) -> None:
    before = pod.containers()
    pod.sh("echo kept >/export/state.db")

    device.deploy("stays", {**SPEC, "nodeSelector": {"disk": "ssd"}})
    status = pod.wait_reason("UnsupportedField")

    path = "spec.pod.spec.nodeSelector"
    assert status["status"] == "Running"
    assert status["message"].startswith(f"{path}: a device has no scheduler; ")
    told = [event for event in device.control.events() if path in event["message"]]
    assert [(event["reason"], event["workload"]) for event in told] == [
        ("UnsupportedField", "stays")
    ]
    device.stop_worker()
    device.start_worker()
    device.control.wait_applied()
    pod.wait_reason("UnsupportedField")
    assert pod.containers() == before
    device.deploy("stays", SPEC)
    device.control.wait_applied()
    assert pod.containers() == before
    assert pod.sh("cat /export/state.db") == "kept"


def test_what_the_podman_of_the_device_ignores_is_refused(device: Device) -> None:
    if device.world.suite != "bookworm":
        pytest.skip("this podman carries it out")
    spec = {"hostPID": True, "containers": [container()]}
    with device.deployed("near", spec) as near:
        status = near.wait_reason("UnsupportedField")
        assert status["message"].startswith("spec.pod.spec.hostPID: podman before 4.4 ignores it")
        assert near.containers() == {}
