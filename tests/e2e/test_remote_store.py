"""The data store goes away and comes back: devices keep running, and nothing is lost."""

from __future__ import annotations

import pytest

from e2e.machines import eventually
from e2e.remote import STORE
from e2e.site import RemoteSite

pytestmark = pytest.mark.on_any_store
REMEDY = "start it, or correct REMOTE_BACKEND_URL"


def log(site: RemoteSite) -> str:
    return site.control_plane.edge_api_log("2m")


def test_devices_outlive_their_store_and_it_learns_all_that_happened(
    remote_site: RemoteSite,
) -> None:
    site, store = remote_site, remote_site.store
    eventually("the till is up", lambda: site.ready("till-1") == "True")
    before = site.till.run("podman ps --format '{{.ID}} {{.Names}}'")
    site.storage.run(f"systemctl stop {STORE}")
    try:
        known = store.show("till-1")["report"]["last_seen"]
        # The command works on the file, whether or not it is served.
        site.place("imageless", "till-1", image="localhost/flotta-edge-no-such-image:1")
        eventually("the Edge API says what to do", lambda: REMEDY in log(site))
        site.till.run("systemctl restart flotta-gateway flotta-device-worker")
        site.till.run("podman kill os-stats-os-stats")
        eventually("the pod is back", lambda: "os-stats-os-stats" in site.till.containers())
        assert store.show("till-1")["report"]["last_seen"] == known
    finally:
        site.storage.run(f"systemctl start {STORE}")
    assert "os-stats" in before
    eventually(
        "the till is heard",
        lambda: store.show("till-1")["report"]["last_seen"] > known,
    )
    eventually(
        "what was put meanwhile arrives, and its trouble is reported",
        lambda: "no-such-image" in (site.entry("till-1", "imageless") or {}).get("message", ""),
    )
    events = store.show("till-1")["report"]["events"]
    assert [event for event in events if event.get("workload") == "imageless"], events
    site.take_away("imageless", "till-1")
    eventually("it is all as before", lambda: site.entry("till-1", "imageless") is None)
    assert site.phase("till-1", "os-stats") == "Running"
