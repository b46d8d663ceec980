"""Devices live on without the control plane, and catch up."""

from __future__ import annotations

import os
import re
import time
from collections import Counter

import pytest

from e2e.machines import eventually
from e2e.site import VOLUMES, Site

LONG = float(os.environ.get("FLOTTA_E2E_OUTAGE", "120"))  # seconds


def uploads(site: Site, bucket: str, keys: set[str]) -> Counter[str]:
    """Count the PUTs of these keys by the S3 server's own log, which may come after the files."""
    log = site.storage.journal("flotta-s3", since="-30min")
    puts = re.findall(rf"access: PUT {re.escape(bucket)}/(\S+)", log)
    return Counter(key for key in puts if key in keys)


# The short one is over when the pod is back, however long that takes.
@pytest.mark.on_one_engine
@pytest.mark.parametrize("seconds", [0.0, pytest.param(LONG, marks=pytest.mark.deep)])
def test_a_pod_survives_a_reboot_without_the_control_plane_and_sync_catches_up(
    site: Site, seconds: float
) -> None:
    bucket = site.bucket("till-1")
    run = f"{time.time_ns():x}"  # a repeated run must not meet the files of an earlier one
    during, after = f"outage-{run}-during.bin", f"outage-{run}-after.bin"
    site.control_plane.stop()
    stopped = time.monotonic()
    try:
        site.till.run(f"head -c 300000 /dev/urandom > {VOLUMES}/os-stats/stats/{during}")
        site.till.stop()
        site.till.start()
        eventually("the pod is back", lambda: "os-stats-os-stats" in site.till.containers())
        site.till.run(f"head -c 200000 /dev/urandom > {VOLUMES}/os-stats/stats/{after}")
        time.sleep(max(0.0, seconds - (time.monotonic() - stopped)))
    finally:
        site.control_plane.start()
    for device in ("till-1", "camera-1"):
        eventually(f"{device} is seen again", lambda d=device: site.ready(d) == "True", 240)
    for name, size in ((during, 300_000), (after, 200_000)):
        eventually(
            f"{name} is in the bucket",
            lambda n=name, s=size: site.keys(bucket, "statistics/").get(f"statistics/{n}") == s,
            240,
        )
    wanted = {f"statistics/{during}", f"statistics/{after}"}
    eventually("the server logged both", lambda: uploads(site, bucket, wanted).keys() == wanted)
    sent = uploads(site, bucket, wanted)
    assert set(sent.values()) == {1}, sent
