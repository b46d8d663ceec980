"""The power of a device is cut twenty times: during downloads, uploads and writes of state."""

from __future__ import annotations

import hashlib
import os
import random
import time

from .site import VOLUMES, Site, eventually, workload

CUTS = int(os.environ.get("FLOTTA_E2E_POWER_CUTS", "20"))
SIZE = 24 * 1024 * 1024  # bytes


def visible(site: Site, folder: str) -> dict[str, str]:
    """SHA-256 of every file that containers can see in a folder of the sample's export."""
    path = f"{VOLUMES}/os-stats/{folder}"
    listing = site.till.run(
        f"cd {path} && find . -type f -name 'cut-*' -exec sha256sum {{}} +", check=False
    )
    return {line.split()[1].removeprefix("./"): line.split()[0] for line in listing.splitlines()}


def test_twenty_power_cuts_lose_nothing_and_show_nothing_partial(site: Site) -> None:
    bucket, s3 = site.bucket("till-1"), site.s3()
    down: dict[str, str] = {}
    up: dict[str, str] = {}
    rng = random.Random(20)
    for number in range(CUTS):
        name = f"cut-{number}.bin"
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
        wait = rng.uniform(0.2, 3) if what == "state" else rng.uniform(1, 18)
        time.sleep(wait)
        site.till.kill()
        site.till.start()
        for shown, digest in visible(site, "config").items():
            assert digest == down[shown], f"cut {number} ({what}): {shown} is visible but not whole"
    eventually("all downloads are there", lambda: visible(site, "config") == down, 240, 2)
    wanted = {f"statistics/{name}": SIZE for name in up}
    eventually(
        "all uploads are there",
        lambda: wanted.items() <= site.keys(bucket, "statistics/cut-").items(),
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
