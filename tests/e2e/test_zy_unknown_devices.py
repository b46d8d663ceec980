"""Devices that the control plane lost keep pods and files, are shown, and come back when adopted.

Runs before the devices are decommissioned. Objects vanish here as in a store that was restored from
before the devices registered: with nobody deleting a device.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from e2e.control_plane import NAMESPACE, OPERATOR, Cluster
from e2e.machines import Host, eventually
from e2e.site import VOLUMES, Site

ROLES = {"till-1": "till", "camera-1": "camera"}
UNKNOWN = "unknown to this control plane"
GROUP = "management.project-flotta.io"
SERVICES = "flotta-operator flotta-edge-api flotta-s3 flotta-apiserver"
STORE = "/var/lib/flotta/apiserver"
FILES = 5  # that each device has, besides those of its workload


def test_objects_that_a_restored_store_does_not_have(site: Site) -> None:
    before, began = with_files(site, "restored"), f"@{int(time.time())}"
    with without_operator(site):
        for name in ROLES:
            vanish(site, name)
    keep_running_unknown(site, before, began)
    adopt_each(site)
    keep_running_known(site, before)


def test_objects_that_were_created_again_with_other_uids(site: Site) -> None:
    before, began = with_files(site, "created-again"), f"@{int(time.time())}"
    with without_operator(site):
        for name in ROLES:
            manifest = fresh(site.get("edgedevice", name))
            # Those of an adoption would be accepted again.
            manifest["metadata"].pop("annotations", None)
            vanish(site, name)
            site.apply(manifest)
    keep_running_unknown(site, before, began)
    flotta(site, "adopt", "--selector", "app=os-stats")
    keep_running_known(site, before)


def test_an_empty_store_with_the_old_ca(site: Site) -> None:
    if isinstance(site.control_plane, Cluster):
        pytest.skip("the cluster's store is not ours alone")
    before, began = with_files(site, "empty-store"), f"@{int(time.time())}"
    secrets = [
        fresh(site.get("secret", name, NAMESPACE))
        for name in names(site, "secret", NAMESPACE)
        if name in ("flotta-ca", "flotta-host-certificate") or name.startswith("reg-client-ca")
    ]
    workload = fresh(site.get("edgeworkload", "os-stats"))
    site.storage.run(f"systemctl stop {SERVICES} && mv {STORE}/state.db* /root/")
    site.storage.run("systemctl start flotta-apiserver")
    eventually("the new store has the namespace", lambda: NAMESPACE in names(site, "namespace"))
    for secret in secrets:
        site.apply(secret)
    site.storage.run(f"systemctl start {SERVICES}")
    keep_running_unknown(site, before, began)
    site.apply(workload)
    adopt_each(site)
    keep_running_known(site, before)


def test_the_definition_of_devices_is_deleted(site: Site) -> None:
    if not isinstance(site.control_plane, Cluster):
        pytest.skip("the kinds of the embedded engine cannot be deleted")
    before, began = with_files(site, "definition"), f"@{int(time.time())}"
    site.kubectl("delete", "crd", f"edgedevices.{GROUP}", "--timeout=240s")
    for host in hosts(site):
        assert survivors(host, before[host.name])
    folder = site.root / "src/flotta/resources/crds"
    site.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(folder))
    keep_running_unknown(site, before, began)
    adopt_each(site)
    keep_running_known(site, before)


def hosts(site: Site) -> tuple[Host, Host]:
    return site.till, site.camera


def with_files(site: Site, name: str) -> dict[str, str]:
    """Put files into /export of each device; return their names and digests by device."""
    found = {}
    for host in hosts(site):
        eventually(f"{host.name} runs it", lambda h=host: "os-stats-os-stats" in h.containers())
        place = f"{VOLUMES}/os-stats/stats"
        host.run(
            f"for n in $(seq {FILES}); do head -c 50000 /dev/urandom > {place}/{name}-$n.bin; done"
        )
        found[host.name] = digests(host, name)
        assert len(found[host.name].splitlines()) == FILES
    return found


def digests(host: Host, name: str) -> str:
    return host.run(f"find {VOLUMES} -name '{name}-*.bin' | sort | xargs -r sha256sum")


def survivors(host: Host, before: str) -> bool:
    """Tell whether the pod runs and every file is as it was; fails when one is not."""
    name = before.split("/")[-1].rpartition("-")[0]
    assert digests(host, name) == before
    assert "os-stats-os-stats" in host.containers()
    return True


def keep_running_unknown(site: Site, before: dict[str, str], began: str) -> None:
    """Wait until the devices are refused and shown as unknown; they have lost nothing then."""
    for name in ROLES:
        eventually(f"{name} is shown", lambda n=name: UNKNOWN in states(site, n), 240, 2.0)
    for host in hosts(site):
        eventually(
            f"{host.name} says that it is unknown",
            lambda h=host: "flotta adopt" in h.journal("flotta-gateway", began),
            240,
        )
        assert survivors(host, before[host.name])


def keep_running_known(site: Site, before: dict[str, str]) -> None:
    """Wait until the devices are back; they have lost nothing then."""
    for host in hosts(site):
        eventually(f"{host.name} is ready", lambda h=host: is_ready(site, h.name), 300, 2.0)
        eventually(
            f"{host.name} reports its workload",
            lambda h=host: site.phase(h.name, "os-stats") == "Running",
            240,
        )
        assert survivors(host, before[host.name])


def is_ready(site: Site, name: str) -> bool:
    """Tell whether a device is ready; let the claim of the EdgeDevice before it go."""
    if name in names(site, "objectbucketclaim"):
        claim = site.get("objectbucketclaim", name)
        if "deletionTimestamp" in claim["metadata"]:
            keep = "flotta.project-flotta.io/bucket=keep"
            site.kubectl("annotate", "objectbucketclaim", name, keep, check=False)
    return states(site, name) == ["ready"]


def adopt_each(site: Site) -> None:
    for name, role in ROLES.items():
        flotta(site, "adopt", name, "--label", "app=os-stats", "--label", f"role={role}")


def vanish(site: Site, name: str) -> None:
    """Remove an EdgeDevice without anybody seeing that it is being deleted."""
    bare = '{"metadata":{"finalizers":null}}'
    site.kubectl("patch", "edgedevice", name, "--type=merge", "-p", bare)
    site.kubectl("delete", "edgedevice", name, "--timeout=60s")


def fresh(obj: dict[str, Any]) -> dict[str, Any]:
    """Return an object as a manifest: without what the API adds, and without its status."""
    metadata = {
        key: value
        for key, value in obj["metadata"].items()
        if key in ("name", "namespace", "labels", "annotations")
    }
    return {**{key: obj[key] for key in obj if key != "status"}, "metadata": metadata}


def names(site: Site, kind: str, namespace: str = "default") -> list[str]:
    listed = json.loads(site.kubectl("get", kind, "-n", namespace, "-o", "json"))
    return [item["metadata"]["name"] for item in listed["items"]]


def states(site: Site, name: str) -> list[str]:
    """Return what is shown of a device: its EdgeDevice, and what is unknown under its name."""
    rows = json.loads(flotta(site, "status", "-o", "json"))
    return [row["state"] for row in rows if row["name"] == name]


def flotta(site: Site, *arguments: str) -> str:
    """Run a command of the administrator; return its output."""
    paths = {"PYTHONPATH": str(site.root / "src"), "KUBECONFIG": str(site.folder / "kubeconfig")}
    done = subprocess.run(
        [sys.executable, "-m", "flotta.cli.flotta", *arguments],
        env={**os.environ, **paths},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert not done.returncode, done.stderr
    return done.stdout


@contextmanager
def without_operator(site: Site) -> Iterator[None]:
    """Stop the operator while the block runs."""
    _run_operator(site, running=False)
    try:
        yield
    finally:
        _run_operator(site, running=True)


def _run_operator(site: Site, *, running: bool) -> None:
    if not isinstance(site.control_plane, Cluster):
        site.storage.run(f"systemctl {'start' if running else 'stop'} {OPERATOR}")
        return
    replicas = f"--replicas={int(running)}"
    site.kubectl("scale", "deployment", OPERATOR, "-n", NAMESPACE, replicas)
    if running:
        eventually("the operator works", lambda: site.control_plane.available(OPERATOR))
    else:
        eventually("the operator is gone", lambda: not site.control_plane.processes(OPERATOR))
