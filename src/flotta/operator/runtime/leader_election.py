"""Leader election with a Lease (coordination.k8s.io/v1): one operator works, the others wait.

Times are measured by our own clock from when a change of the Lease was *seen*, as Kubernetes' own
clients do, so that clocks of different machines need not agree. `kubernetes.aio.leaderelection`
is not an option: it has no release, and does not stop the work before another process can take the
Lease.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from flotta.own_names import FLOTTA_NAMESPACE, OPERATOR
from flotta.resources.client import AlreadyExists, ApiError, Client, Conflict
from flotta.resources.kinds import LEASE
from flotta.resources.objects.core import Lease, LeaseSpec
from flotta.resources.views import spec_of
from flotta.rfc3339 import format_micro_time

LEASE_DURATION = 15  # seconds for which a holder may fail to renew
RENEW_INTERVAL = 5.0  # seconds between renewals, and the longest that one may take
# Seconds until a failed renewal is retried; fixed, because few fit before RENEW_DEADLINE.
RETRY_INTERVAL = 1.0
RENEW_DEADLINE = 10.0  # seconds without a renewal after which the holder stops working
THREAD_GRACE = 3.0  # seconds for running calls; below LEASE_DURATION - RENEW_DEADLINE
log = logging.getLogger(__name__)


class LeaderElection:
    """A claim to the Lease under this process's name."""

    def __init__(
        self, client: Client, identity: str | None = None, namespace: str = FLOTTA_NAMESPACE
    ) -> None:
        self._client = client
        self._namespace = namespace
        self._identity = identity or f"{socket.gethostname()}_{os.getpid()}"
        self._seen_version = ""  # resourceVersion of the Lease
        self._seen_at = 0.0  # seconds of our clock at which that version was first seen
        self._holder = ""
        self._renewed = 0.0

    async def acquire(self) -> None:
        """Wait until this process holds the Lease."""
        while not await self._acquire_or_renew():  # noqa: ASYNC110 - no event comes from elsewhere
            await asyncio.sleep(RENEW_INTERVAL / 2)
        log.info("%s is the leader", self._identity)

    async def hold(self) -> None:
        """Renew the Lease; return when it is lost.

        That is at most RENEW_DEADLINE seconds after a renewal.
        """
        with contextlib.suppress(TimeoutError):
            while self._holder == self._identity:
                async with asyncio.timeout_at(self._renewed + RENEW_DEADLINE):
                    await self._renew()
        log.error("Lost the leader election Lease")

    async def release(self) -> None:
        """Let a successor start at once."""
        try:
            async with asyncio.timeout(RENEW_INTERVAL):
                lease = await self._client.get(LEASE, OPERATOR, self._namespace)
                if spec_of(lease).get("holderIdentity") == self._identity:
                    await self._client.replace(LEASE, _set_holder(lease, ""))
        except (ApiError, TimeoutError) as error:
            log.debug("The Lease was not released: %s", error)

    async def _renew(self) -> None:
        """Return after a renewal, or when another process holds the Lease."""
        await asyncio.sleep(RENEW_INTERVAL)
        while not await self._acquire_or_renew() and self._holder == self._identity:  # noqa: ASYNC110
            await asyncio.sleep(RETRY_INTERVAL)

    async def _acquire_or_renew(self) -> bool:
        """Tell whether we hold the Lease now; False also when the API does not answer in time."""
        started = _clock()
        try:
            async with asyncio.timeout(RENEW_INTERVAL):
                taken = await self._write_lease()
        except (ApiError, TimeoutError) as error:
            log.warning("Leader election: %s", error or "the resource API did not answer in time")
            return False
        if taken:
            self._renewed, self._holder = started, self._identity
        return taken

    async def _write_lease(self) -> bool:
        """Take or renew the Lease unless another process holds it; return whether we did."""
        lease = await self._client.get_or_none(LEASE, OPERATOR, self._namespace)
        if lease is None:
            return await self._create_lease()
        if not self._may_take_lease(lease):
            return False
        try:
            await self._client.replace(LEASE, _set_holder(lease, self._identity))
        except Conflict:
            return False
        return True

    async def _create_lease(self) -> bool:
        empty: Lease = {"metadata": {"name": OPERATOR, "namespace": self._namespace}}
        try:
            await self._client.create(LEASE, _set_holder(empty, self._identity))
        except AlreadyExists:
            return False
        return True

    def _may_take_lease(self, lease: Lease) -> bool:
        """Tell whether we hold the Lease, it is free, or it was not renewed in time."""
        version = lease["metadata"]["resourceVersion"]
        if version != self._seen_version:
            self._seen_version, self._seen_at = version, _clock()
        spec = spec_of(lease)
        holder = spec.get("holderIdentity") or self._identity
        if holder == self._identity:
            return True
        self._holder = holder
        return _clock() - self._seen_at > (spec.get("leaseDurationSeconds") or LEASE_DURATION)


async def run_as_leader(
    election: LeaderElection, work: Callable[[], Coroutine[Any, Any, None]]
) -> None:
    """Wait for the Lease and work until it is lost, or until cancelled.

    Calls of the work in threads of the loop end too: while the Lease is still held, or, when it is
    lost, before the successor starts; if necessary, the process exits.
    """
    await election.acquire()
    threads = ThreadPoolExecutor()
    asyncio.get_running_loop().set_default_executor(threads)
    holding = asyncio.create_task(election.hold())
    working = asyncio.create_task(work())
    try:
        await asyncio.wait((holding, working), return_when=asyncio.FIRST_COMPLETED)
    finally:
        ending = asyncio.create_task(_end_work(working, threads))
        await asyncio.wait((holding, ending), return_when=asyncio.FIRST_COMPLETED)
        if holding.done():
            await _end_in_time(ending)
        else:
            holding.cancel()
            await election.release()
    if not working.cancelled():
        working.result()


async def _end_work(working: asyncio.Task[None], threads: ThreadPoolExecutor) -> None:
    working.cancel()
    await asyncio.wait((working,))
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor())  # names are still resolved after the work
    await loop.run_in_executor(None, threads.shutdown)


async def _end_in_time(ending: asyncio.Task[None]) -> None:
    await asyncio.wait((ending,), timeout=THREAD_GRACE)
    if not ending.done():
        log.critical("A call is still running after the Lease was lost; exiting at once")
        os._exit(1)


def _set_holder(lease: Lease, identity: str) -> Lease:
    """Return the Lease held by this identity from now on; an empty identity frees it."""
    spec = spec_of(lease)
    now = format_micro_time(datetime.now(UTC))
    changed = spec.get("holderIdentity") != identity
    new: LeaseSpec = {
        "holderIdentity": identity,
        "leaseDurationSeconds": LEASE_DURATION,
        "renewTime": now,
        "acquireTime": now if changed else spec.get("acquireTime", now),
        "leaseTransitions": spec.get("leaseTransitions", 0) + int(changed and bool(identity)),
    }
    return {**lease, "spec": new}


def _clock() -> float:
    return asyncio.get_running_loop().time()
