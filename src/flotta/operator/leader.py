"""Leader election with a Lease (coordination.k8s.io/v1): one operator works, the others wait.

Times are judged by our own clock from when a change of the Lease was *seen*, as Kubernetes' own
clients do, so that clocks of different machines need not agree.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ..resources.client import AlreadyExists, ApiError, Conflict, NotFound
from ..resources.kinds import FLOTTA_NAMESPACE, LEASE
from ..rfc3339 import format_micro_time

if TYPE_CHECKING:
    from ..resources.client import Client

NAME = "flotta-operator"
DURATION = 15  # seconds a holder may be silent
RENEW = 5.0  # seconds between renewals, and the longest that one may take
RETRY = 1.0  # seconds until a failed renewal is tried again
GIVE_UP = 10.0  # seconds without a renewal after which the holder stops working
log = logging.getLogger(__name__)


class Leadership:
    """A claim to the Lease under this process's name."""

    def __init__(
        self, client: Client, identity: str | None = None, namespace: str = FLOTTA_NAMESPACE
    ):
        self._client = client
        self._namespace = namespace
        self._identity = identity or f"{socket.gethostname()}_{os.getpid()}"
        self._seen: tuple[str, float] = ("", 0.0)
        self._holder = ""
        self._renewed = 0.0

    async def acquire(self) -> None:
        """Wait until the Lease is ours."""
        while not await self._try():  # noqa: ASYNC110 - the event would be another machine's
            await asyncio.sleep(RENEW / 2)
        log.info("%s leads", self._identity)

    async def hold(self) -> None:
        """Renew the Lease; returns when it is lost, at the latest GIVE_UP seconds after a renewal."""
        with contextlib.suppress(TimeoutError):
            while self._holder == self._identity:
                async with asyncio.timeout_at(self._renewed + GIVE_UP):
                    await self._renew()
        log.error("The leader's lease is lost")

    async def release(self) -> None:
        """Let a successor start at once."""
        try:
            async with asyncio.timeout(RENEW):
                lease = await self._client.get(LEASE, NAME, self._namespace)
                if lease["spec"].get("holderIdentity") == self._identity:
                    await self._client.replace(LEASE, _held(lease, ""))
        except (ApiError, TimeoutError) as error:
            log.debug("The lease was not released: %s", error)

    async def _renew(self) -> None:
        """Return after a renewal, or when somebody else holds the Lease."""
        await asyncio.sleep(RENEW)
        while not await self._try() and self._holder == self._identity:  # noqa: ASYNC110
            await asyncio.sleep(RETRY)

    async def _try(self) -> bool:
        started = _clock()
        try:
            async with asyncio.timeout(RENEW):
                taken = await self._take()
        except (ApiError, TimeoutError) as error:
            log.warning("Leader election: %s", error or "no answer")
            return False
        if taken:
            self._renewed, self._holder = started, self._identity
        return taken

    async def _take(self) -> bool:
        try:
            lease = await self._client.get(LEASE, NAME, self._namespace)
        except NotFound:
            return await self._create()
        if not self._may_take(lease):
            return False
        try:
            await self._client.replace(LEASE, _held(lease, self._identity))
        except Conflict:
            return False
        return True

    async def _create(self) -> bool:
        empty = {"metadata": {"name": NAME, "namespace": self._namespace}}
        try:
            await self._client.create(LEASE, _held(empty, self._identity))
        except AlreadyExists:
            return False
        return True

    def _may_take(self, lease: dict[str, Any]) -> bool:
        version = lease["metadata"]["resourceVersion"]
        if version != self._seen[0]:
            self._seen = (version, _clock())
        spec = lease.get("spec") or {}
        holder = spec.get("holderIdentity") or self._identity
        if holder == self._identity:
            return True
        self._holder = holder
        return _clock() - self._seen[1] > (spec.get("leaseDurationSeconds") or DURATION)


def _held(lease: dict[str, Any], identity: str) -> dict[str, Any]:
    """Return the Lease held by this identity from now on; an empty one frees it."""
    spec = lease.get("spec") or {}
    now = format_micro_time(datetime.now(UTC))
    changed = spec.get("holderIdentity") != identity
    new = {
        "holderIdentity": identity,
        "leaseDurationSeconds": DURATION,
        "renewTime": now,
        "acquireTime": now if changed else spec.get("acquireTime", now),
        "leaseTransitions": spec.get("leaseTransitions", 0) + int(changed and bool(identity)),
    }
    return {**lease, "spec": new}


def _clock() -> float:
    return asyncio.get_running_loop().time()
