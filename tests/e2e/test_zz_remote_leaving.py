"""The recorded wish that a device goes, and its return. Runs last."""

from __future__ import annotations

import pytest

from e2e.machines import eventually
from e2e.remote import STORE
from e2e.site import VOLUMES, RemoteSite

pytestmark = pytest.mark.on_any_store


def test_a_device_that_is_to_go_is_wiped_and_the_playbook_brings_it_back(
    remote_site: RemoteSite,
) -> None:
    site = remote_site
    first = site.store.show("till-1")["device"]["uid"]
    site.store.run("unregister", "default/till-1")
    eventually("the store knows that it went", lambda: site.store.show("till-1")["state"] == "gone")
    eventually("no pod is left", lambda: not site.till.run("podman pod ps --noheading").strip())
    assert not site.till.run(f"find {VOLUMES} -mindepth 1 2>/dev/null || true").strip()
    result = site.playbook("devices")
    assert result.returncode == 0, result.stdout[-3000:]
    eventually("it runs the sample", lambda: site.phase("till-1", "os-stats") == "Running")
    assert site.store.show("till-1")["device"]["uid"] != first


def test_an_uninstalled_part_leaves_the_other(remote_site: RemoteSite) -> None:
    site, plane = remote_site, remote_site.control_plane
    part = '{"operator_components": ["configuration_api"], "operator_state": "absent"}'
    result = site.playbook("control_plane", "-e", part)
    assert result.returncode == 0, result.stdout[-3000:]
    assert plane.serves()
    assert not [line for line in plane.remains() if STORE in line]
    assert "os-stats-os-stats" in site.till.containers()
    result = site.playbook("control_plane")
    assert result.returncode == 0, result.stdout[-3000:]
    eventually("the till is heard again", lambda: site.ready("till-1") == "True")
