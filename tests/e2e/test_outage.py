"""Devices live on without the control plane, and catch up."""

from __future__ import annotations

import os
import re
import time
from collections import Counter

from .site import VOLUMES, Site, eventually

OUTAGE = float(os.environ.get("FLOTTA_E2E_OUTAGE", "120"))  # seconds


def uploads(site: Site, bucket: str, prefix: str) -> Counter[str]:
    """Count the PUTs of each key below a prefix, from the S3 server's own log."""
    log = site.storage.journal("flotta-s3", since="-30min")
    return Counter(re.findall(rf"access: PUT {re.escape(bucket)}/({re.escape(prefix)}\S+)", log))


def test_a_pod_survives_a_reboot_without_the_control_plane_and_sync_catches_up(site: Site) -> None:
    bucket = site.bucket("till-1")
    site.control_plane.stop()
    stopped = time.monotonic()
    try:
        site.till.run(f"head -c 300000 /dev/urandom > {VOLUMES}/os-stats/stats/during-outage.bin")
        site.till.stop()
        site.till.start()
        eventually("the pod is back", lambda: "os-stats-os-stats" in site.till.containers(), 60)
        site.till.run(f"head -c 200000 /dev/urandom > {VOLUMES}/os-stats/stats/after-reboot.bin")
        time.sleep(max(0.0, OUTAGE - (time.monotonic() - stopped)))
    finally:
        site.control_plane.start()
    for device in ("till-1", "camera-1"):
        eventually(f"{device} is seen again", lambda d=device: site.ready(d) == "True", 150)
    for name, size in (("during-outage.bin", 300_000), ("after-reboot.bin", 200_000)):
        eventually(
            f"{name} is in the bucket",
            lambda n=name, s=size: site.keys(bucket, "statistics/").get(f"statistics/{n}") == s,
            120,
        )
    sent = uploads(site, bucket, "statistics/")
    assert sent["statistics/during-outage.bin"] == 1, sent
    assert sent["statistics/after-reboot.bin"] == 1, sent
