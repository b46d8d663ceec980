"""What is left on a device that is decommissioned; the last test of a world."""

from __future__ import annotations

from typing import Any

from pods.device import Device
from pods.materials import IMAGE
from pods.pod import container
from pods.registry import running_registry

MARK = "of-the-customer"


def test_nothing_of_any_volume_or_pulled_image_is_left(device: Device) -> None:
    names = ("data", "memory", "db")
    spec: dict[str, Any] = {
        "containers": [
            container(
                volumeMounts=[
                    *({"name": name, "mountPath": f"/{name}"} for name in names),
                    {"name": "db", "mountPath": "/sub", "subPath": "a"},
                ]
            )
        ],
        "volumes": [
            {"name": "data", "emptyDir": {}},
            {"name": "memory", "emptyDir": {"medium": "Memory"}},
            {"name": "db", "persistentVolumeClaim": {"claimName": "db-of-the-last"}},
        ],
        "terminationGracePeriodSeconds": 1,
    }
    device.host.sh("podman volume create of-somebody-else")
    with running_registry(device) as image:
        spec["containers"].append(container("pulled", image=image, imagePullPolicy="Always"))
        pod = device.run("last", spec)
    pod.sh(f"for place in /data /memory /db /sub /export; do echo {MARK} > $place/state; done")
    assert device.host.sh("ls -A /run/flotta-volumes") != ""

    device.control.disconnect()

    places = "/var/lib/containers/storage/volumes /var/lib/flotta /var/local /run/flotta-volumes"
    assert device.host.sh(f"grep -rls {MARK} {places} || true") == ""
    assert device.host.sh("ls -A /run/flotta-volumes") == ""
    assert device.host.sh("podman volume ls --quiet").split() == ["of-somebody-else"]
    images = device.host.sh("podman images --format '{{.Repository}}:{{.Tag}}'").split()
    assert (image in images, IMAGE in images) == (False, True)  # somebody else loaded the other
