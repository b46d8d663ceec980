"""flotta-operator: the controllers. Settings come from the environment only."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Coroutine
from typing import Any

from flotta.daemon import notify, run, stop_event
from flotta.operator.runtime.leader_election import LeaderElection, run_as_leader
from flotta.operator.runtime.monitoring import serve_monitoring
from flotta.operator.service import Operator
from flotta.operator.settings import Settings
from flotta.resources.client import Client
from flotta.settings.help import new_parser
from flotta.settings.operator import OPERATOR
from flotta.storage.provisioner import Provisioner, choose_issuer
from flotta.storage.s3_site import S3Site

log = logging.getLogger(__name__)


def main() -> None:
    """Run the operator until SIGTERM or SIGINT."""
    new_parser("flotta-operator", __doc__, OPERATOR).parse_args()
    run(_operate)


async def _operate() -> None:
    settings = Settings.from_environment(os.environ)
    stop = stop_event()
    async with await Client.connect() as client:
        operator = Operator(client, settings, _provisioner(client, settings))
        async with serve_monitoring(operator, settings):
            await _until(stop, _work(client, operator, settings))
    notify("STOPPING=1")


async def _work(client: Client, operator: Operator, settings: Settings) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(operator.run_caches())
        await operator.caches.wait_synced()
        notify("READY=1")
        if not settings.leader_elect:
            await operator.run_controllers()
            return
        await run_as_leader(
            LeaderElection(client, namespace=settings.namespace), operator.run_controllers
        )
        raise SystemExit("flotta-operator: another operator may be the leader now; exiting")


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
    storage = settings.storage
    if storage.keys is not None and not os.access(storage.keys, os.W_OK | os.X_OK):
        raise ValueError(f"S3_KEYS_DIR {storage.keys} is missing or not writable")
    site = S3Site(storage)
    site.read_administrator()
    site.read_ca()
    issuer = choose_issuer(storage, site)
    if issuer.warning:
        log.warning("S3_SHARED_KEYS: %s", issuer.warning)
    return Provisioner(
        client,
        site,
        issuer,
        storage.device_endpoint,
        settings.bucket_storage_class,
        settings.namespace,
    )


if __name__ == "__main__":
    main()
