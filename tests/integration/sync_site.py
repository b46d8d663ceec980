"""A bucket on a real S3 server and a device's directories for the synchronisation tests."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from botocore.exceptions import ResponseStreamingError
from s3_server import S3Server

from flotta.sync.cycle import CycleReport
from flotta.sync.loop import DataPath, S3Storage, SyncLoop, SyncWorkload
from waiting import eventually, wait_until

BUCKET = "till-1"
MARKS = itertools.count()
WORKLOAD = SyncWorkload(
    "shop", [DataPath("stats", "statistics")], [DataPath("configuration", "config")]
)


class CountingLoop(SyncLoop):
    """A loop that counts its cycles, for tests of what does not happen in them."""

    ended = 0

    async def _run_cycle(self) -> CycleReport:
        try:
            return await super()._run_cycle()
        finally:
            self.ended += 1

    async def cycles(self, count: int) -> None:
        """Wait until so many whole cycles have ended that begin after now."""
        goal = self.ended + 1 + count  # one may have begun before
        await eventually(lambda: self.ended >= goal)


@dataclass
class Site:
    server: S3Server
    client: Any
    storage: S3Storage
    base: Path
    log_start: int = 0

    @property
    def volumes(self) -> Path:
        return self.base / "volumes"

    @property
    def export(self) -> Path:
        return self.volumes / WORKLOAD.name

    def write(self, path: str, data: bytes) -> Path:
        """Write a file of the pod at once: a reader sees the former content or this."""
        file = self.export / path
        file.parent.mkdir(parents=True, exist_ok=True)
        partial = self.base / "partial"  # outside what is synchronised
        partial.write_bytes(data)
        return partial.replace(file)

    def put(self, key: str, data: bytes) -> None:
        self.client.put_object(Bucket=BUCKET, Key=key, Body=data)

    def get(self, key: str) -> bytes | None:
        """Return the whole object, or None when there is none."""
        # rclone replaces an object in place, which ends a read that began before.
        return wait_until(lambda: [self._read(key)], tolerate=ResponseStreamingError)[0]

    def _read(self, key: str) -> bytes | None:
        try:
            return bytes(self.client.get_object(Bucket=BUCKET, Key=key)["Body"].read())
        except self.client.exceptions.NoSuchKey:
            return None

    def bucket_keys(self) -> list[str]:
        listed = self.client.list_objects_v2(Bucket=BUCKET)
        return [item["Key"] for item in listed.get("Contents", [])]

    def transfers(self) -> Counter[str]:
        """Count the transfers since this site was made."""
        lines = self.requests()
        return Counter(line for line in lines if line.startswith(("PUT ", "GET ", "PART ")))

    def requests(self, start: str = "") -> list[str]:
        """Return the access lines that start so, since this site was made and until now.

        The log is written after the answers, in order: the line of one more request is waited for.
        """
        mark = f"mark-{next(MARKS)}/"
        self.client.list_objects_v2(Bucket=BUCKET, Prefix=mark)
        last = f"LIST {BUCKET}/{mark}"
        wait_until(lambda: last in self.server.requests(""), pause=0.01)
        lines = self.server.requests("")
        since = lines[self.log_start : lines.index(last)]
        own = f"LIST {BUCKET}/mark-"
        return [line for line in since if line.startswith(start) and not line.startswith(own)]

    def loop(self, **options: Any) -> CountingLoop:
        options = {"interval": 0.1, "quiet_period": 0.05, **options}
        return CountingLoop(self.base / "state", self.volumes, **options)


def make_site(server: S3Server, base: Path) -> Site:
    key = server.administrator
    client = server.client(key)
    with contextlib.suppress(client.exceptions.BucketAlreadyExists):
        client.create_bucket(Bucket=BUCKET)
    storage = S3Storage(
        endpoint=server.endpoint,
        region="us-east-1",
        bucket=BUCKET,
        access_key=key.access_key,
        secret_key=key.secret_key,
        ca_pem=server.ca_file.read_text(),
    )
    site = Site(server, client, storage, base)
    site.requests()
    site.log_start = len(server.requests(""))
    site.export.mkdir(parents=True)
    return site


@contextlib.asynccontextmanager
async def running(
    site: Site, workload: SyncWorkload = WORKLOAD, storage: S3Storage | None = None, **options: Any
) -> AsyncIterator[CountingLoop]:
    loop = site.loop(**options)
    loop.configure(storage or site.storage, [workload])
    task = asyncio.create_task(loop.run())
    try:
        yield loop
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def with_endpoint(storage: S3Storage, endpoint: str) -> S3Storage:
    return replace(storage, endpoint=endpoint)
