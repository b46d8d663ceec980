"""The control plane goes, the fleet's data stay, and it comes back to them."""

from __future__ import annotations

import pytest

from e2e.control_plane import NAMESPACE
from e2e.machines import eventually
from e2e.site import Site
from e2e.traffic import DEVICES


@pytest.mark.on_one_engine
def test_absent_keeps_the_fleet_for_a_later_present(site: Site) -> None:
    uids = {name: site.get("edgedevice", name)["metadata"]["uid"] for name in DEVICES}
    began = site.till.run("systemctl show -P ActiveEnterTimestampMonotonic flotta-gateway")
    authority = site.get("secret", "flotta-ca", NAMESPACE)["metadata"]["uid"]
    bucket = site.bucket("till-1")
    kept = eventually("a file is in the bucket", lambda: site.keys(bucket, "statistics/"))
    assert site.control_plane.remains(), "this test sees nothing of what there is"
    gone = site.playbook("control_plane", "-e", "operator_state=absent")
    assert gone.returncode == 0, gone.stdout[-3000:]
    assert site.control_plane.remains() == []
    assert "os-stats-os-stats" in site.till.containers()
    again = site.playbook("control_plane", "-e", "operator_state=absent")
    assert "changed=0" in again.stdout.split("PLAY RECAP")[1], again.stdout[-1500:]

    back = site.playbook("control_plane")
    assert back.returncode == 0, back.stdout[-3000:]
    eventually("the Edge API answers", site.control_plane.serves)
    assert site.get("secret", "flotta-ca", NAMESPACE)["metadata"]["uid"] == authority
    for name in DEVICES:
        eventually(f"{name} is ready", lambda n=name: site.ready(n) == "True", 240)
    assert {name: site.get("edgedevice", name)["metadata"]["uid"] for name in DEVICES} == uids
    assert site.till.run("systemctl show -P ActiveEnterTimestampMonotonic flotta-gateway") == began
    assert kept.keys() <= site.keys(bucket, "statistics/").keys()
