"""A device that was lost, as its owner and as whoever has it see it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from e2e.machines import eventually
from e2e.site import Site


@pytest.fixture
def camera(site: Site) -> Iterator[str]:
    """Name of a device that is released at the end."""
    yield "camera-1"
    quarantine(site, None)
    eventually("the camera is ready again", lambda: site.ready("camera-1") == "True")


def quarantine(site: Site, section: dict[str, Any] | None) -> None:
    patch = json.dumps({"spec": {"quarantine": section}})
    site.kubectl("patch", "edgedevice", "camera-1", "--type=merge", "-p", patch)


def reason(site: Site) -> str:
    """Return the reason of the device's condition Quarantined."""
    conditions = site.get("edgedevice", "camera-1")["status"]["conditions"]
    return next((item["reason"] for item in conditions if item["type"] == "Quarantined"), "")


def test_a_lost_device_stands_still_over_a_reboot_and_goes_on_when_it_is_released(
    site: Site, camera: str
) -> None:
    bucket = site.bucket(camera)
    eventually("the sample runs", site.camera.containers)
    eventually("it sends files", lambda: site.keys(bucket, "statistics/"))
    old = site.get("secret", camera)["data"]["AWS_ACCESS_KEY_ID"]

    quarantine(site, {"pods": "Stop", "reason": "Left in a taxi"})

    eventually("its keys are revoked", lambda: reason(site) == "Refused")
    eventually("its pods stop", lambda: site.camera.containers() == set())
    kept = site.keys(bucket, "")
    assert "AWS_ACCESS_KEY_ID" not in site.get("secret", camera)["data"]
    assert site.till.containers()

    site.camera.stop()
    site.camera.start()
    unit = "'podman-kube@-var-lib-flotta-worker-workloads-*'"
    shown = f"systemctl show -p ConditionResult --value {unit}"
    active = "systemctl is-active flotta-device-worker"
    eventually("the worker runs", lambda: site.camera.run(active, check=False).strip() == "active")
    assert "yes" not in site.camera.run(shown, check=False)
    assert site.camera.containers() == set()
    assert site.camera.run("ls /var/local/yggdrasil/device/volumes").split()

    quarantine(site, None)

    eventually("its pods run again", site.camera.containers, seconds=240)
    eventually("it is ready", lambda: site.ready(camera) == "True", seconds=240)
    new = eventually("it has a new key", lambda: key_of(site, camera))
    assert new != old
    eventually("it sends files again", lambda: site.keys(bucket, "").keys() - kept.keys())
    assert kept.keys() <= site.keys(bucket, "").keys()


def key_of(site: Site, device: str) -> str:
    key: str = site.get("secret", device)["data"].get("AWS_ACCESS_KEY_ID", "")
    return key
