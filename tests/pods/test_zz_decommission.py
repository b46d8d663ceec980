"""What is left of the volumes of a device that is decommissioned; the last test of a world."""

from __future__ import annotations

from pods.device import Device
from pods.pod import container

MARK = "of-the-customer"


def test_nothing_of_any_volume_is_left(device: Device) -> None:
    names = ("data", "memory", "db")
    spec = {
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
    pod = device.run("last", spec)
    pod.sh(f"for place in /data /memory /db /sub /export; do echo {MARK} > $place/state; done")
    assert device.host.sh("ls -A /run/flotta-volumes") != ""

    device.control.disconnect()

    places = "/var/lib/containers/storage/volumes /var/lib/flotta /var/local /run/flotta-volumes"
    assert device.host.sh(f"grep -rls {MARK} {places} || true") == ""
    assert device.host.sh("ls -A /run/flotta-volumes") == ""
    assert device.host.sh("podman volume ls --quiet").split() == ["of-somebody-else"]
