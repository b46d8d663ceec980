"""flotta-operator: the controllers. Settings come from the environment only."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from ..daemon import notify, run, stop_event
from ..operator.leader import Leadership
from ..operator.probes import serving
from ..operator.service import Operator
from ..operator.settings import Settings
from ..resources.client import Client

if TYPE_CHECKING:
    from ..storage.claims import Provisioner

EPILOG = """environment:
  KUBECONFIG                 resource API and identity (default: the pod's service account)
  AUTO_APPROVAL_PROCESS      approve every device that asks to join (true)
  OBC_AUTO_CREATE            a bucket claim for every registered device (true)
  BUCKET_STORAGE_CLASS       storage class of the claims (flotta.project-flotta.io/embedded)
  DECOMMISSION_TIMEOUT       seconds a deleted device has to acknowledge (300)
  S3_DEVICE_ENDPOINT         https://HOST:PORT of the embedded S3 server, as devices reach it
  S3_CA_FILE                 CA of its certificate, PEM
  S3_ADMIN_FILE, S3_KEYS_DIR administrator's key pair, directory of the key files
  MAX_CONCURRENT_RECONCILES  objects a controller handles at a time (3)
  EDGEWORKLOAD_CONCURRENCY   devices handled at a time (5)
  LEADER_ELECT               several operators, one works (false)
  PROBE_ADDR, METRICS_ADDR   /healthz, /readyz, /metrics (127.0.0.1:8081; the same)
  LOG_LEVEL                  debug, info, warn, error (info)
"""


def main() -> None:
    """Run the operator until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(
        prog="flotta-operator",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.parse_args()
    run(_operate)


async def _operate() -> None:
    settings = Settings.from_environment(os.environ)
    stop = stop_event()
    async with await Client.connect() as client:
        operator = Operator(client, settings, _provisioner(client, settings))
        async with serving(operator, settings):
            await _until(stop, _work(client, operator, settings))
    notify("STOPPING=1")


async def _work(client: Client, operator: Operator, settings: Settings) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(operator.follow())
        await operator.fleet.wait_synced()
        notify("READY=1")
        if not settings.leader_elect:
            await operator.work()
            return
        leadership = Leadership(client)
        await leadership.acquire()
        group.create_task(operator.work())
        try:
            await leadership.hold()
            raise SystemExit("flotta-operator: another operator may lead now; ending")
        finally:
            await leadership.release()


async def _until(stop: asyncio.Event, work: Coroutine[Any, Any, None]) -> None:
    """Run the work until the event is set or the work fails."""
    working, stopping = asyncio.create_task(work), asyncio.create_task(stop.wait())
    await asyncio.wait([working, stopping], return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if working.done():
        working.result()
    working.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await working


def _provisioner(client: Client, settings: Settings) -> Provisioner | None:
    if settings.storage is None:
        return None
    from ..storage.administrator import read_administrator
    from ..storage.buckets import Buckets
    from ..storage.claims import REGION, Location, Provisioner

    storage = settings.storage
    if not os.access(storage.keys, os.W_OK | os.X_OK):
        raise ValueError(f"S3_KEYS_DIR {storage.keys} is missing or not writable")
    try:
        authority = storage.ca_file.read_bytes() if storage.ca_file else b""
    except OSError as error:
        raise ValueError(f"S3_CA_FILE cannot be read: {error}") from error
    ca_file = str(storage.ca_file) if storage.ca_file else None
    key = read_administrator(storage.admin_file)
    buckets = Buckets(storage.endpoint, REGION, key, ca_file)
    location = Location(storage.endpoint, authority)
    return Provisioner(client, buckets, storage.keys, location, settings.bucket_storage_class)


if __name__ == "__main__":
    main()
