"""The control plane goes from the cluster for good, with its data. Runs last."""

from __future__ import annotations

import json
from typing import Any

import pytest

from e2e.control_plane import OPERATOR, Cluster
from e2e.machines import eventually
from e2e.site import Site
from e2e.traffic import DEVICES

GROUP = "management.project-flotta.io"


def left_behind(site: Site) -> list[str]:
    """Every object of the cluster that is ours by its name, label, namespace or kind."""
    kinds = site.kubectl("api-resources", "--verbs=list", "--no-headers", "-o", "name").split()
    # An event about an object outlives it by an hour; a metric is not an object.
    listed = [kind for kind in kinds if not kind.startswith("events")]
    items = json.loads(site.kubectl("get", ",".join(listed), "-A", "-o", "json"))["items"]
    return [
        f"{item['kind']} {item['metadata'].get('namespace', '')}/{item['metadata']['name']}"
        for item in items
        if ours(item)
    ]


def nothing_left(site: Site) -> bool:
    left = left_behind(site)
    assert not left, left
    return True


def ours(item: dict[str, Any]) -> bool:
    if item["kind"] == "Node":  # its status lists the images that it has
        return False
    text = json.dumps(item)
    return (
        "flotta" in text
        or "objectbucket" in text
        or any(f'"{name}"' in text for name in (*DEVICES, "reg-client-ca"))
    )


def test_decommission_leaves_no_object_behind(site: Site) -> None:
    assert left_behind(site), "this test sees nothing of what there is"
    # Earlier tests kept the buckets of devices that were lost; those are asked for by nobody.
    buckets = {site.bucket(name) for name in DEVICES}
    result = site.playbook("decommission", "-e", "flotta_decommission=yes")
    assert result.returncode == 0, result.stdout[-3000:]
    # What belongs to an object that is gone goes after it: pods, endpoints, the kinds' entries.
    eventually("nothing is left", lambda: nothing_left(site))
    assert not buckets & {item["Name"] for item in site.s3().list_buckets()["Buckets"]}


@pytest.mark.deep
def test_a_site_that_was_decommissioned_can_be_installed_again(
    site: Site, cluster: Cluster
) -> None:
    result = site.playbook("decommission", "-e", "flotta_decommission=yes")
    assert result.returncode == 0, result.stdout[-3000:]
    eventually("nothing is left", lambda: nothing_left(site))
    result = site.playbook("site")
    assert result.returncode == 0, result.stdout[-3000:]
    eventually("the operator works", lambda: cluster.available(OPERATOR))
    for name in DEVICES:
        eventually(f"{name} runs it", lambda n=name: site.phase(n, "os-stats") == "Running", 240)
