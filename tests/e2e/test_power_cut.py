"""The power of a device is cut twenty times, or as often as told: during downloads, uploads, writes of state."""

from __future__ import annotations

import hashlib
import os
import random
import time

from .site import VOLUMES, Host, Site, eventually, workload

CUTS = int(os.environ.get("FLOTTA_E2E_POWER_CUTS", "20"))
SIZE = 64 * 1024 * 1024  # bytes
SPOOL = "/var/local/yggdrasil/device/spool"
BUCKETS = "/var/lib/flotta/s3/buckets"


def visible(site: Site, run: str) -> dict[str, str]:
    """SHA-256 of every file of this run that containers can see below /export/config."""
    path = f"{VOLUMES}/os-stats/config"
    listing = site.till.run(
        f"cd {path} && find . -type f -name 'cut-{run}-*' -exec sha256sum {{}} +", check=False
    )
    return {line.split()[1].removeprefix("./"): line.split()[0] for line in listing.splitlines()}


def under_way(host: Host, find: str) -> None:
    """Return as soon as a file of a running transfer exists on a host."""
    loop = f"for i in $(seq 2000); do {find} | grep -q . && exit 0; sleep 0.02; done; exit 1"
    host.run(loop, timeout=90)


def test_power_cuts_lose_nothing_and_show_nothing_partial(site: Site) -> None:
    bucket, s3 = site.bucket("till-1"), site.s3()
    down: dict[str, str] = {}
    up: dict[str, str] = {}
    rng = random.Random(20)
    run = f"{time.time_ns():x}"  # a repeated run must not meet the files of an earlier one
    for number in range(CUTS):
        name = f"cut-{run}-{number}.bin"
        what = ("download", "upload", "state")[number % 3]
        if what == "download":
            content = rng.randbytes(SIZE)
            down[name] = hashlib.sha256(content).hexdigest()
            s3.put_object(Bucket=bucket, Key=f"configuration/{name}", Body=content)
        elif what == "upload":
            path = f"{VOLUMES}/os-stats/stats/{name}"
            site.till.run(
                f"head -c {SIZE} /dev/urandom > /var/tmp/{name} && mv /var/tmp/{name} {path} && sync"
            )
            up[name] = site.till.run(f"sha256sum {path}").split()[0]
        else:
            site.apply(
                workload(
                    "cutter",
                    {"role": "till"},
                    container={"env": [{"name": "N", "value": str(number)}]},
                )
            )
        if what == "download":
            under_way(site.till, f"find {SPOOL} -type f")
        elif what == "upload":
            under_way(site.storage, f"find {BUCKETS}/{bucket} -name '.rclone_temp_*'")
        time.sleep(rng.uniform(0, 3 if what == "state" else 0.3))
        site.till.kill()
        site.till.start()
        for shown, digest in visible(site, run).items():
            assert digest == down[shown], f"cut {number} ({what}): {shown} is visible but not whole"
    eventually("all downloads are there", lambda: visible(site, run) == down, 240, 2)
    wanted = {f"statistics/{name}": SIZE for name in up}
    eventually(
        "all uploads are there",
        lambda: wanted.items() <= site.keys(bucket, f"statistics/cut-{run}-").items(),
        240,
        2,
    )
    for name, digest in up.items():
        stored = s3.get_object(Bucket=bucket, Key=f"statistics/{name}")["Body"].read()
        assert hashlib.sha256(stored).hexdigest() == digest, name
    eventually("the sample runs", lambda: "os-stats-os-stats" in site.till.containers(), 90)
    eventually("the changed pod runs", lambda: "cutter-main" in site.till.containers(), 90)
    eventually("the till is ready", lambda: site.ready("till-1") == "True", 90)
    site.kubectl("delete", "edgeworkload", "cutter")
