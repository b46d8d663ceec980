"""Measure how long a quarantined device is still let in, while another device transfers files.

Method: the embedded engine, an operator, two Edge APIs and the embedded S3 server run as processes
of their own on this machine; the S3 server has `--keys` further keys. In each run a device holds a
poll at both Edge APIs and reads its bucket again and again. From the administrator's change until

    replica 1, 2       the held poll is refused
    contents           the first GET of an object of its bucket is refused
    metadata           the first HEAD; rclone has directories in memory for half a second

Meanwhile another device puts and gets objects without a pause. Prints median and worst in
milliseconds, and how many transfers of the other device succeeded and failed.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests/integration"))

from botocore.exceptions import BotoCoreError, ClientError
from edge_site import Device, Fleet, fleet_of
from quarantine_site import Place, joined, key_of, quarantine_site
from s3_server import starts

from flotta.cli.quarantine import quarantine
from flotta.resources.kinds import BUCKET_CLAIM
from flotta.storage.access_keys import AccessKey, new_access_key_id, new_secret_key
from flotta.storage.key_store import write_key
from waiting import eventually

WHAT = ("replica 1", "replica 2", "contents", "metadata")
SIZE = 1 << 20  # bytes of an object of the other device


class Neighbour(threading.Thread):
    """Another device: puts an object and gets it, until it is stopped."""

    def __init__(self, client: Any, bucket: str) -> None:
        super().__init__(daemon=True)
        self._client, self._bucket = client, bucket
        self._stopping = threading.Event()
        self.succeeded = self.failed = 0

    def run(self) -> None:
        body = bytes(SIZE)
        while not self._stopping.is_set():
            try:
                self._client.put_object(Bucket=self._bucket, Key="file", Body=body)
                self._client.get_object(Bucket=self._bucket, Key="file")["Body"].read()
                self.succeeded += 1
            except (ClientError, BotoCoreError):
                self.failed += 1

    def stop(self) -> None:
        self._stopping.set()
        self.join()


def wait_until_refused(request: Callable[..., Any], bucket: str, begun: float) -> float:
    """Return the seconds until a request for an object is refused; others may have to wait."""
    while True:
        try:
            request(Bucket=bucket, Key="mine")
        except ClientError:
            return time.monotonic() - begun


async def measure(place: Place, fleet: Fleet, taken: dict[str, list[float]]) -> None:
    device = await joined(fleet)
    key = await key_of(device)
    await eventually(lambda: is_bound(fleet, device), pause=0.3)  # the operator is idle then
    client = place.s3.client(key)
    client.put_object(Bucket=key.bucket, Key="mine", Body=b"1")
    async with AsyncExitStack() as stack:
        speakers = [device, replace(fleet, site=place.edges[1]).device(device.device_id)]
        speakers[1].identity = device.identity
        for speaker in speakers:
            stack.push_async_callback(speaker.close)
        held = [
            await speaker.held(speaker.get("control", Prefer="wait=50")) for speaker in speakers
        ]
        begun = time.monotonic()
        waits = [
            *(refused_after(task, begun) for task in held),
            asyncio.to_thread(wait_until_refused, client.get_object, str(key.bucket), begun),
            asyncio.to_thread(wait_until_refused, client.head_object, str(key.bucket), begun),
        ]
        obj = await fleet.get(device)
        begun_change = asyncio.create_task(
            quarantine(fleet.client, obj, "Keep", "", "bench/quarantine.py")
        )
        times = await asyncio.gather(*waits)
        await begun_change
    for name, seconds in zip(WHAT, times, strict=True):
        taken[name].append(seconds)


async def is_bound(fleet: Fleet, device: Device) -> bool:
    claim = await fleet.client.get(BUCKET_CLAIM, device.device_id, "default")
    return (claim.get("status") or {}).get("phase") == "Bound"


async def refused_after(task: asyncio.Task[Any], begun: float) -> float:
    assert (await task).status == 403
    return time.monotonic() - begun


async def run(place: Place, runs: int) -> None:
    taken: dict[str, list[float]] = defaultdict(list)
    async with fleet_of(place.edge) as fleet:
        other: Device = await joined(fleet)
        key = await key_of(other)
        neighbour = Neighbour(place.s3.client(key), str(key.bucket))
        before = len(starts(place.s3.log))
        neighbour.start()
        for _ in range(runs):
            await measure(place, fleet, taken)
        neighbour.stop()
        await other.close()
    for name, values in taken.items():
        milliseconds = [1000 * value for value in values]
        print(
            f"{name:12} median {statistics.median(milliseconds):5.0f} ms, "
            f"worst {max(milliseconds):5.0f} ms"
        )
    print(
        f"other device {neighbour.succeeded} transfers, {neighbour.failed} failed; "
        f"{len(starts(place.s3.log)) - before} restarts of the S3 server"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--keys", type=int, default=10_000, help="further keys of the S3 server")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, quarantine_site(Path(name), "embedded", 2) as place:
        for number in range(options.keys):
            further = AccessKey(new_access_key_id(), new_secret_key(), f"bucket-{number}")
            write_key(place.s3.keys, further)
        asyncio.run(run(place, options.runs))


if __name__ == "__main__":
    main()
