"""The power of a device is cut again and again: during downloads, uploads, writes of state."""

from __future__ import annotations

import hashlib
import os
import random
import time

import pytest

from e2e.machines import Host, eventually
from e2e.site import VOLUMES, Site, workload

KINDS = ("download", "upload", "state")
MANY = int(os.environ.get("FLOTTA_E2E_POWER_CUTS", "20"))
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


def caught(host: Host, transfer: str, whole: str) -> bool:
    """Wait for a transfer on a host.

    True as soon as a file of it exists, False when it was not seen before its end.
    """
    loop = (
        f"for i in $(seq 6000); do {transfer} | grep -q . && echo caught && exit; "
        f"test -e {whole} && echo over && exit; sleep 0.02; done; exit 1"
    )
    return host.run(loop, timeout=600) == "caught\n"


class Transfers:
    """Files on their way to and from the till, by their SHA-256."""

    def __init__(self, site: Site, run: str):
        self.site = site
        self.run = run
        self.bucket = site.bucket("till-1")
        self.down: dict[str, str] = {}
        self.up: dict[str, str] = {}
        self._rng = random.Random(20)

    def begin(self, what: str, number: int) -> None:
        """Return in the middle of a download or an upload.

        One that was over at once is followed by another.
        """
        start = {"download": self._download, "upload": self._upload}[what]
        tries = (f"cut-{self.run}-{number}-{attempt}.bin" for attempt in range(5))
        assert any(start(name) for name in tries), f"no {what} was seen before its end"

    def _download(self, name: str) -> bool:
        content = self._rng.randbytes(SIZE)
        self.down[name] = hashlib.sha256(content).hexdigest()
        self.site.s3().put_object(Bucket=self.bucket, Key=f"configuration/{name}", Body=content)
        whole = f"{VOLUMES}/os-stats/config/{name}"
        return caught(self.site.till, f"find {SPOOL} -type f", whole)

    def _upload(self, name: str) -> bool:
        made = f"/var/tmp/{name}"
        digest = self.site.till.run(f"head -c {SIZE} /dev/urandom > {made} && sha256sum {made}")
        self.up[name] = digest.split()[0]
        self.site.till.run(f"mv {made} {VOLUMES}/os-stats/stats/")
        folder = f"{BUCKETS}/{self.bucket}"
        find = f"find {folder} -name '.rclone_temp_*'"
        return caught(self.site.storage, find, f"{folder}/statistics/{name}")


@pytest.mark.on_one_engine
@pytest.mark.parametrize("cuts", [len(KINDS), pytest.param(MANY, marks=pytest.mark.deep)])
def test_power_cuts_lose_nothing_and_show_nothing_partial(site: Site, cuts: int) -> None:
    run = f"{time.time_ns():x}"  # a repeated run must not meet the files of an earlier one
    transfers, rng = Transfers(site, run), random.Random(20)
    for number in range(cuts):
        what = KINDS[number % len(KINDS)]
        if what == "state":
            site.apply(
                workload(
                    "cutter",
                    {"role": "till"},
                    container={"env": [{"name": "N", "value": str(number)}]},
                )
            )
        else:
            transfers.begin(what, number)
        time.sleep(rng.uniform(0, 3 if what == "state" else 0.3))
        site.till.kill()
        site.till.start()
        for shown, digest in visible(site, run).items():
            assert digest == transfers.down[shown], (
                f"cut {number} ({what}): {shown} is visible but not whole"
            )
    eventually("all downloads are there", lambda: visible(site, run) == transfers.down, 240, 2)
    bucket = transfers.bucket
    wanted = {f"statistics/{name}": SIZE for name in transfers.up}
    eventually(
        "all uploads are there",
        lambda: wanted.items() <= site.keys(bucket, f"statistics/cut-{run}-").items(),
        240,
        2,
    )
    for name, digest in transfers.up.items():
        stored = site.s3().get_object(Bucket=bucket, Key=f"statistics/{name}")["Body"].read()
        assert hashlib.sha256(stored).hexdigest() == digest, name
    eventually("the sample runs", lambda: "os-stats-os-stats" in site.till.containers())
    eventually("the changed pod runs", lambda: "cutter-main" in site.till.containers())
    eventually("the till is ready", lambda: site.ready("till-1") == "True")
    site.kubectl("delete", "edgeworkload", "cutter")
