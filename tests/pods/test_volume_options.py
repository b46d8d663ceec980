"""What a volume may be told besides its source: modes, resources, read-only, types."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from pods.device import Device
from pods.materials import IMAGE
from pods.pod import Pod, container


def resource(name: str, **reference: Any) -> dict[str, Any]:
    return {"path": name, "resourceFieldRef": {"containerName": "second", **reference}}


VOLUMES: list[dict[str, Any]] = [
    {"name": "data"},
    {"name": "claim", "persistentVolumeClaim": {"claimName": "options", "readOnly": True}},
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
    "securityContext": {"fsGroup": 2000},
    "terminationGracePeriodSeconds": 1,
    "containers": [
        container(
            volumeMounts=[
                {"name": volume["name"], "mountPath": f"/{volume['name']}"} for volume in VOLUMES
            ],
        ),
        container(
            "second",
            resources={"limits": {"memory": "64Mi", "cpu": "1500m"}, "requests": {"cpu": "250m"}},
        ),
    ],
    "volumes": VOLUMES,
}


@pytest.fixture(scope="module")
def pod(device: Device) -> Iterator[Pod]:
    with device.running("options", SPEC, config_maps={"cfg": {"level": "high"}}) as pod:
        yield pod


def test_a_claim_may_be_read_only(pod: Pod) -> None:
    assert "Read-only" in pod.sh("touch /claim/x 2>&1", check=False)


def test_files_tell_limits_and_requests_of_a_container(pod: Pod) -> None:
    assert pod.sh("cat /down/memory; echo; cat /down/cpu") == "65536\n250"
    assert pod.sh("stat -L -c %a /down/memory") == "640"  # 0600, and the group may read
    assert pod.sh("cat /all/cpu") == "2"


def test_files_of_projected_volumes_have_their_own_modes(pod: Pod) -> None:
    assert pod.sh("stat -L -c %a /all/a/level /all/cpu").split() == ["555", "440"]
    assert pod.sh("cat /all/a/level") == "high"


def test_a_path_on_the_device_that_is_of_another_type_is_named(device: Device) -> None:
    volumes = [{"name": "conf", "hostPath": {"path": "/srv", "type": "File"}}]
    with device.deployed("wrong-type", {"containers": [container()], "volumes": volumes}) as wrong:
        assert 'volume "conf": /srv is not a file' in wrong.wait_phase("Error")["message"]


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
