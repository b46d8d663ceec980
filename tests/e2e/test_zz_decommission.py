"""Deleting a device ends its life in the fleet; a device that was off wipes itself on return. Runs last."""

from __future__ import annotations

from .site import VOLUMES, Site, eventually


def wiped(site: Site) -> bool:
    pods = site.camera.run("podman pod ps --noheading", check=False)
    volumes = site.camera.run(f"ls {VOLUMES} 2>/dev/null", check=False)
    return not pods.strip() and not volumes.strip()


def test_deleting_a_running_device_wipes_it_and_removes_its_bucket(site: Site) -> None:
    bucket = site.bucket("camera-1")
    site.kubectl("delete", "edgedevice", "camera-1", "--timeout=100s")
    eventually("the camera is wiped", lambda: wiped(site), 30)
    buckets = [item["Name"] for item in site.s3().list_buckets()["Buckets"]]
    assert bucket not in buckets
    for kind in ("objectbucketclaim", "edgedevicesignedrequest", "secret", "configmap"):
        output = site.kubectl("get", kind, "camera-1", check=False)
        assert "NotFound" in output, output
    assert "parked" in site.camera.journal(
        "flotta-gateway"
    ) or "decommission" in site.camera.journal("flotta-gateway")


def test_the_playbook_brings_the_device_back(site: Site) -> None:
    result = site.playbook("site")
    assert result.returncode == 0, result.stdout[-3000:]
    eventually("the camera is ready", lambda: site.ready("camera-1") == "True", 60)
    eventually("it runs the sample", lambda: site.phase("camera-1", "os-stats") == "Running", 60)


def test_a_device_that_was_off_at_its_deletion_wipes_itself_on_return(site: Site) -> None:
    site.camera.stop()
    site.kubectl("delete", "edgedevice", "camera-1", "--wait=false")
    # Nobody can wait five minutes for a device that is gone for good: the finalizer may be removed by hand.
    site.kubectl(
        "patch", "edgedevice", "camera-1", "--type=merge", "-p", '{"metadata":{"finalizers":null}}'
    )
    eventually(
        "the device is gone from the API",
        lambda: "NotFound" in site.kubectl("get", "edgedevice", "camera-1", check=False),
        30,
    )
    site.camera.start()
    eventually("the camera is wiped", lambda: wiped(site), 120)
    result = site.playbook("site")
    assert result.returncode == 0, result.stdout[-3000:]
    eventually("the camera is ready", lambda: site.ready("camera-1") == "True", 60)


def test_a_second_run_changes_nothing(site: Site) -> None:
    result = site.playbook("site")
    assert result.returncode == 0, result.stdout[-3000:]
    recap = result.stdout.split("PLAY RECAP")[1]
    changed = [
        line for line in recap.splitlines() if "changed=" in line and "changed=0" not in line
    ]
    assert not changed, recap
