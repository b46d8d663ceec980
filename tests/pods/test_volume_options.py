"""Fields that no other test is about: one pod shows most of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flotta.worker.workloads.units import unit_name
from pods.device import Device
from pods.host import ADDRESS
from pods.materials import IMAGE
from pods.pod import Pod, container

NAME = "further"
UNIT = unit_name(Path(f"/var/lib/flotta/worker/workloads/{NAME}/pod.yaml"))
GROUP = 2000
LISTENER = "flotta-test-listener"
PORT = 8099


def resource(name: str, **reference: Any) -> dict[str, Any]:
    return {"path": name, "resourceFieldRef": {"containerName": "second", **reference}}


VOLUMES: list[dict[str, Any]] = [
    {"name": "data"},
    {"name": "claim", "persistentVolumeClaim": {"claimName": "further", "readOnly": True}},
    {
        "name": "down",
        "downwardAPI": {
            "items": [
                resource("memory", resource="limits.memory", divisor="1Ki") | {"mode": 0o600},
                resource("cpu", resource="requests.cpu", divisor="1m"),
            ]
        },
    },
    {
        "name": "all",
        "projected": {
            "defaultMode": 0o440,
            "sources": [
                {
                    "configMap": {
                        "name": "cfg",
                        "items": [{"key": "level", "path": "a/level", "mode": 0o555}],
                    }
                },
                {"secret": {"name": "absent", "optional": True}},
                {"downwardAPI": {"items": [resource("cpu", resource="limits.cpu")]}},
            ],
        },
    },
]
SPEC: dict[str, Any] = {
    "securityContext": {"fsGroup": GROUP, "fsGroupChangePolicy": "OnRootMismatch"},
    "terminationGracePeriodSeconds": 2,
    "containers": [
        container(
            volumeMounts=[
                {"name": volume["name"], "mountPath": f"/{volume['name']}"} for volume in VOLUMES
            ],
            lifecycle={
                "postStart": {
                    "httpGet": {
                        "host": ADDRESS,
                        "port": "listener",
                        "path": "/hello",
                        "scheme": "HTTP",
                        "httpHeaders": [{"name": "User-Agent", "value": "hook"}],
                    }
                }
            },
            ports=[{"name": "listener", "containerPort": PORT}],
        ),
        container(
            "second",
            "exec sleep 86400",  # it ignores SIGTERM, as process 1 without a handler
            lifecycle={"postStart": {"sleep": {"seconds": 1}}},
            resources={"limits": {"memory": "64Mi", "cpu": "1500m"}, "requests": {"cpu": "250m"}},
        ),
    ],
    "volumes": VOLUMES,
}


@pytest.fixture(scope="module")
def pod(device: Device) -> Iterator[Pod]:
    device.host.sh(
        f"systemd-run --quiet --unit={LISTENER} python3 -u -m http.server {PORT}"
        f" && until ss -tln | grep -q :{PORT}; do sleep 0.1; done"
    )
    with device.running(NAME, SPEC, config_maps={"cfg": {"level": "high"}}) as pod:
        yield pod
    device.host.sh(f"systemctl stop {LISTENER}")


def test_a_claim_may_be_read_only(pod: Pod) -> None:
    assert "Read-only" in pod.sh("touch /claim/x 2>&1", check=False)


def test_files_tell_limits_and_requests_of_a_container(pod: Pod) -> None:
    assert pod.sh("cat /down/memory; echo; cat /down/cpu") == "65536\n250"
    assert pod.sh("stat -L -c %a /down/memory") == "640"  # 0600, and the group may read
    assert pod.sh("cat /all/cpu") == "2"


def test_files_of_projected_volumes_have_their_own_modes(pod: Pod) -> None:
    assert pod.sh("stat -L -c %a /all/a/level /all/cpu").split() == ["555", "440"]
    assert pod.sh("cat /all/a/level") == "high"


def test_hooks_may_ask_a_server_or_wait(device: Device, pod: Pod) -> None:
    assert '"GET /hello HTTP/1.1"' in device.host.sh(f"journalctl --no-pager --unit={LISTENER}")
    assert set(pod.containers()) == {"main", "second"}


def test_a_start_gives_the_group_only_what_it_does_not_have(device: Device, pod: Pod) -> None:
    assert pod.sh("stat -c %g /data") == str(GROUP)
    pod.sh("touch /data/x; chgrp 0 /data/x")
    device.host.run("systemctl", "restart", UNIT, seconds=300)
    pod.wait_running()
    assert pod.sh("stat -c %g /data/x") == "0"


def test_a_path_on_the_device_that_is_of_another_type_is_named(device: Device) -> None:
    volumes = [{"name": "conf", "hostPath": {"path": "/srv", "type": "File"}}]
    wrong = device.deploy("wrong-type", {"containers": [container()], "volumes": volumes})
    try:
        assert 'volume "conf": /srv is not a file' in wrong.wait_phase("Error")["message"]
    finally:
        device.remove("wrong-type")


@pytest.mark.deep
def test_an_image_may_be_a_volume(device: Device) -> None:
    if device.world.suite == "bookworm":
        pytest.skip("podman before 5.3 ignores it, so it is refused")
    spec = {
        "containers": [container(volumeMounts=[{"name": "image", "mountPath": "/image"}])],
        "volumes": [{"name": "image", "image": {"reference": IMAGE, "pullPolicy": "Never"}}],
    }
    with device.running("of-an-image", spec) as pod:
        assert "busybox" in pod.sh("ls /image/bin")
