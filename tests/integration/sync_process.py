"""Runs a SyncLoop as the device worker does; configured by a JSON file. For tests that kill it."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from flotta.sync.loop import DataPath, S3Storage, SyncLoop, SyncWorkload


async def main() -> None:
    told = json.loads(Path(sys.argv[1]).read_text())
    loop = SyncLoop(Path(told["state"]), Path(told["volumes"]), 0.3, quiet_period=0.1)
    workload = SyncWorkload(
        "shop", [DataPath("stats", "statistics")], [DataPath("configuration", "config")]
    )
    loop.configure(S3Storage(**told["storage"]), [workload])
    await loop.run()


asyncio.run(main())
