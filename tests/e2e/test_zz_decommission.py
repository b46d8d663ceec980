"""Deleting a device ends its life in the fleet; a device that was off wipes itself on return.

Runs last.
"""

from __future__ import annotations

import time

import pytest

from e2e.machines import eventually
from e2e.site import VOLUMES, Site


def wiped(site: Site, since: str) -> bool:
    """Tell whether the camera is empty and has left: only then may it come back."""
    assert "Parked: this device left the fleet" in site.camera.journal("flotta-gateway", since)
    assert not (pods := site.camera.run("podman pod ps --noheading")).strip(), pods
    volumes = site.camera.run(f"find {VOLUMES} -mindepth 1 2>/dev/null || true")
    assert not volumes.strip(), volumes
    state = site.camera.run("find /var/lib/flotta/worker -mindepth 1 2>/dev/null || true")
    assert not state.strip(), state
    return True


def now() -> str:
    """Return this moment as journalctl takes it."""
    return f"@{int(time.time())}"


def test_deleting_a_running_device_wipes_it_and_removes_its_bucket(site: Site) -> None:
    bucket, began = site.bucket("camera-1"), now()
    # Deeper than a program recurses, and than it has descriptors.
    deep = "import os; [(os.mkdir('d'), os.chdir('d')) for _ in range(1500)]"
    site.camera.run(f'cd {VOLUMES}/os-stats && mkdir deep && cd deep && python3 -c "{deep}"')
    site.kubectl("delete", "edgedevice", "camera-1", "--timeout=240s")
    eventually("the camera is wiped", lambda: wiped(site, began))
    buckets = [item["Name"] for item in site.s3().list_buckets()["Buckets"]]
    assert bucket not in buckets
    for kind in ("objectbucketclaim", "edgedevicesignedrequest", "secret", "configmap"):
        eventually(
            f"its {kind} is gone",
            lambda k=kind: "NotFound" in site.kubectl("get", k, "camera-1", check=False),
        )


def test_the_playbook_brings_the_device_back(site: Site) -> None:
    result = site.playbook("site")
    assert result.returncode == 0, result.stdout[-3000:]
    eventually("the camera is ready", lambda: site.ready("camera-1") == "True")
    eventually("it runs the sample", lambda: site.phase("camera-1", "os-stats") == "Running")


@pytest.mark.on_one_engine
def test_a_device_that_was_off_at_its_deletion_wipes_itself_on_return(site: Site) -> None:
    site.camera.stop()
    site.kubectl("delete", "edgedevice", "camera-1", "--wait=false")
    # Nobody can wait five minutes for a device that is gone for good: the finalizer may be removed
    # by hand.
    site.kubectl(
        "patch", "edgedevice", "camera-1", "--type=merge", "-p", '{"metadata":{"finalizers":null}}'
    )
    eventually(
        "the device is gone from the API",
        lambda: "NotFound" in site.kubectl("get", "edgedevice", "camera-1", check=False),
    )
    began = now()
    site.camera.start()
    eventually("the camera is wiped", lambda: wiped(site, began), 240)
    result = site.playbook("site")
    assert result.returncode == 0, result.stdout[-3000:]
    eventually("the camera is ready", lambda: site.ready("camera-1") == "True")


@pytest.mark.deep
def test_a_second_run_changes_nothing(site: Site) -> None:
    result = site.playbook("site")
    assert result.returncode == 0, result.stdout[-3000:]
    recap = result.stdout.split("PLAY RECAP")[1]
    changed = [
        line for line in recap.splitlines() if "changed=" in line and "changed=0" not in line
    ]
    assert not changed, recap
