"""The control plane goes from the cluster: without its data and back, then for good. Runs last."""

from __future__ import annotations

import json
from typing import Any

from .control_plane import EDGE_API, NAMESPACE, OPERATOR, Cluster
from .site import Site, eventually
from .traffic import DEVICES

GROUP = "management.project-flotta.io"


def left_behind(site: Site) -> list[str]:
    """Every object of the cluster that is ours by its name, label, namespace or kind."""
    kinds = site.kubectl("api-resources", "--verbs=list", "--no-headers", "-o", "name").split()
    # An event about an object outlives it by an hour; a metric is no object.
    listed = [kind for kind in kinds if not kind.startswith("events")]
    items = json.loads(site.kubectl("get", ",".join(listed), "-A", "-o", "json"))["items"]
    return [
        f"{item['kind']} {item['metadata'].get('namespace', '')}/{item['metadata']['name']}"
        for item in items
        if ours(item)
    ]


def ours(item: dict[str, Any]) -> bool:
    if item["kind"] == "Node":  # its status lists the images that it has
        return False
    text = json.dumps(item)
    return (
        "flotta" in text
        or "objectbucket" in text
        or any(f'"{name}"' in text for name in (*DEVICES, "reg-client-ca"))
    )


def test_absent_keeps_the_fleet_for_a_later_present(site: Site, cluster: Cluster) -> None:
    uids = {name: site.get("edgedevice", name)["metadata"]["uid"] for name in DEVICES}
    began = site.till.run("systemctl show -P ActiveEnterTimestampMonotonic flotta-gateway")
    gone = site.playbook("control_plane", "-e", "operator_state=absent")
    assert gone.returncode == 0, gone.stdout[-3000:]
    for kind in ("deployment", "service", "poddisruptionbudget", "serviceaccount"):
        assert "flotta-" not in site.kubectl("get", kind, "-n", NAMESPACE, "-o", "name")
    assert "flotta-" not in site.kubectl("get", "clusterrole,clusterrolebinding", "-o", "name")
    site.get("secret", "flotta-ca", NAMESPACE)
    assert "os-stats-os-stats" in site.till.containers()
    again = site.playbook("control_plane", "-e", "operator_state=absent")
    assert "changed=0" in again.stdout.split("PLAY RECAP")[1], again.stdout[-1500:]

    back = site.playbook("control_plane")
    assert back.returncode == 0, back.stdout[-3000:]
    eventually("the Edge API answers", lambda: cluster.available(EDGE_API), 60)
    for name in DEVICES:
        eventually(f"{name} is ready", lambda n=name: site.ready(n) == "True", 150)
    assert {name: site.get("edgedevice", name)["metadata"]["uid"] for name in DEVICES} == uids
    assert site.till.run("systemctl show -P ActiveEnterTimestampMonotonic flotta-gateway") == began


def test_decommission_leaves_no_object_behind_and_the_site_can_be_made_anew(
    site: Site, cluster: Cluster
) -> None:
    assert left_behind(site), "this test sees nothing of what there is"
    result = site.playbook("decommission")
    assert result.returncode == 0, result.stdout[-3000:]
    assert left_behind(site) == []
    assert site.s3().list_buckets()["Buckets"] == []

    result = site.playbook("site")
    assert result.returncode == 0, result.stdout[-3000:]
    eventually("the operator works", lambda: cluster.available(OPERATOR), 60)
    for name in DEVICES:
        eventually(f"{name} runs it", lambda n=name: site.phase(n, "os-stats") == "Running", 90)
