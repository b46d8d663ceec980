"""Removing every workload, whatever state it is in (docs/reference/device.md#disconnect).

1. Everything is tried for every workload; one that cannot be removed stops none of the others.
2. What must be gone before the removal is confirmed: the pods, and the files that hold Secrets.
   A pod does not have its whole grace period for that, which may be a day (`stops`).
3. What else is left, such as an immutable file of a pod, or a volume that a foreign container uses,
   is named in the log and tried again later: it must not keep the device in its fleet.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol

from flotta.backoff import Backoff
from flotta.limited_log import LimitedLog
from flotta.protocol.reasons.device_programs import REMOVAL_INCOMPLETE, STATE_UNREADABLE
from flotta.protocol.reasons.workloads import INTERNAL_ERROR
from flotta.tree_removal import RemovalFailure
from flotta.worker import podman, systemd
from flotta.worker.errors import WipeError, WorkloadError
from flotta.worker.workloads.files import Leftovers, WorkloadFiles

log = logging.getLogger(__name__)
limited_log = LimitedLog(log, lines=50, interval=60.0)

WIPE_DELAYS = 0.0, 1.0, 2.0, 5.0, 10.0  # seconds before each attempt to remove all workloads
LEFTOVER_RETRY = 10.0, 3600.0  # seconds: the first delay, the longest
SHOWN = 3  # leftovers that a message names


RemoveStored = Callable[[], Awaitable[list[RemovalFailure]]]


class Stop(Protocol):
    """Stops the pod of one workload, `soon` without waiting for its whole grace period."""

    async def __call__(self, name: str, *, soon: bool) -> None:
        """Raise WorkloadError when podman does not remove it."""


async def remove_nothing() -> list[RemovalFailure]:
    """Leave nothing behind where podman stores nothing for the device."""
    return []


class WorkloadWipe:
    """Removes all pods and their files; `stop_pod` stops the pod of one workload.

    `remove_stored` removes what podman stores for workloads that are gone: claims and images.
    """

    def __init__(
        self,
        files: WorkloadFiles,
        stop_pod: Stop,
        remove_stored: RemoveStored = remove_nothing,
    ) -> None:
        self._files = files
        self._stop_pod = stop_pod
        self._remove_stored = remove_stored
        self._retry: asyncio.Task[None] | None = None
        self._removing: asyncio.Future[Leftovers] | None = None  # in a thread, by `_retry`

    async def run(self) -> None:
        """Remove everything; more pods may be starting meanwhile.

        Raises WipeError with the pods and the files with Secrets that are left. Other files that
        are left are tried again until `cancel`, or until they are gone.
        """
        self.cancel()
        left, pods = Leftovers(), None
        for delay in WIPE_DELAYS:
            await asyncio.sleep(delay)
            stopped = await self._stop_pods()
            # After the pods: one that starts late makes its export directory again.
            left = await asyncio.to_thread(self._files.remove_all, stopped)
            pods = await podman.list_pods()
            if pods == [] and not left.secrets:
                break
            log.warning(
                "The removal is not complete yet: %s [%s]",
                _name_rest(pods, left),
                REMOVAL_INCOMPLETE,
            )
        left.others += await self._remove_stored()
        await systemd.reload()
        log_leftovers(left.all)
        if pods != [] or left.secrets:
            raise WipeError(_name_rest(pods, left))
        if left.others:
            self._retry = asyncio.create_task(self._remove_leftovers())

    def cancel(self) -> None:
        """Stop trying again: there is a configuration, or another removal begins."""
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None

    async def settle(self) -> None:
        """Wait until what `cancel` has stopped touches no file any more."""
        if self._removing is not None:
            await asyncio.wait((self._removing,))

    async def _stop_pods(self) -> list[str]:
        installed = await asyncio.to_thread(self._list_installed)
        await asyncio.gather(*(self._try_to_stop(name) for name in installed))
        pods = await podman.list_pods() or []
        for name in pods:
            await podman.remove_pod(name)
        return pods

    def _list_installed(self) -> Iterable[str]:
        try:
            return self._files.list_installed()
        except OSError as error:
            log.error("The workloads on disk cannot be listed: %s [%s]", error, STATE_UNREADABLE)
            return ()

    async def _try_to_stop(self, name: str) -> None:
        try:
            await self._stop_pod(name, soon=True)
        except WorkloadError as error:
            log.warning("Workload %s: %s [%s]", name, error.message, error.reason)
        except Exception:  # one of many: the others must be stopped as well
            log.exception("Workload %s could not be stopped [%s]", name, INTERNAL_ERROR)

    async def _remove_leftovers(self) -> None:
        backoff = Backoff(*LEFTOVER_RETRY)
        while True:
            await asyncio.sleep(backoff.next())
            # A thread cannot be cancelled: it looks itself whether there is a configuration now.
            work = asyncio.to_thread(self._files.remove_all, (), lambda: self._retry is not None)
            self._removing = asyncio.ensure_future(work)
            left = await asyncio.shield(self._removing)
            left.others += await self._remove_stored()
            if not left.all:
                log.info("What was left of the removed workloads is removed now")
                return
            log_leftovers(left.all)


def removal_error(name: str, left: Leftovers) -> WorkloadError:
    """Return the error for a workload that could not be removed completely."""
    return WorkloadError(
        REMOVAL_INCOMPLETE, f"workload {name} is not removed completely: {summarize(left.all)}"
    )


def log_leftovers(left: Iterable[RemovalFailure]) -> None:
    """Log everything that is left, with what to do about it."""
    for failure in left:
        limited_log.log(logging.ERROR, "%s is left: %s [%s]", *failure, REMOVAL_INCOMPLETE)


def summarize(left: list[RemovalFailure]) -> str:
    """Return the first few of what is left, and how much more there is."""
    more = f" and {len(left) - SHOWN} more" if len(left) > SHOWN else ""
    return f"{'; '.join(map(str, left[:SHOWN]))}{more}"


def _name_rest(pods: list[str] | None, left: Leftovers) -> str:
    secrets = [f"files with Secrets are left: {summarize(left.secrets)}"] if left.secrets else []
    if pods == []:
        return "; ".join(secrets)
    return "; ".join([f"podman still has {_name_pods(pods)}", *secrets])


def _name_pods(names: list[str] | None) -> str:
    if names is None:
        return "pods that it does not list; `podman pod ps` says why"
    pods = " ".join(sorted(names))
    return f"pods {pods}; `podman pod rm -f {pods}` says why"
