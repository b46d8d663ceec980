"""Pods that are stopped because an `emptyDir` on disk takes more than its `sizeLimit`.

As in Kubernetes, usage is measured now and then, so a limit is exceeded before it is enforced, and
the pod starts again with empty directories. With `restartPolicy: Never` it stays stopped until
its definition changes (docs/reference/device.md#volumes).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

from flotta.backoff import Backoff
from flotta.protocol.reasons.workloads import EVICTED
from flotta.tree_removal import empty_directory
from flotta.worker.errors import WorkloadError
from flotta.worker.volumes.plan import ScratchDirectory, VolumePlan, read_plan
from flotta.worker.volumes.usage import exceeds
from flotta.worker.workloads.files import WorkloadFiles

log = logging.getLogger(__name__)

LOOK = 10.0  # seconds between two looks, as Kubernetes
SHARE = 200.0  # times as long as a look took is waited at least: it takes half a per cent at most
PAUSE = 10.0, 300.0  # seconds for which a pod is stopped: the first time, the longest


class Evictions:
    """Measures directories that have a limit, and stops the pods that exceed one.

    `stop` stops a pod and removes it, `runs` tells whether it runs, and `on_change` is called when
    a pod is stopped or may start again.
    """

    def __init__(
        self,
        files: WorkloadFiles,
        stop: Callable[[str], Awaitable[None]],
        runs: Callable[[str], bool],
        on_change: Callable[[], None],
    ) -> None:
        self._files = files
        self._stop = stop
        self._runs = runs
        self._on_change = on_change
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._backoffs: dict[str, Backoff] = {}
        self.failures: dict[str, WorkloadError] = {}
        self.unfinished: set[str] = set()  # pods that had not ended by themselves

    @property
    def workloads(self) -> set[str]:
        """Those that must not be started now."""
        return set(self.failures)

    async def run(self) -> None:
        """Look until cancelled; begin with the pods that were stopped when the worker ended."""
        self.unfinished |= await asyncio.to_thread(self._list_marked)
        self._on_change()
        while True:
            begin = time.monotonic()
            await self.look()
            await asyncio.sleep(max(LOOK, (time.monotonic() - begin) * SHARE))

    async def look(self) -> None:
        """Measure once; evict what takes too much."""
        for name, plan in await asyncio.to_thread(self._list_limited):
            if name in self.failures or not self._runs(name):
                continue
            for scratch in plan.scratch:
                limit = scratch.size_limit
                if limit and await asyncio.to_thread(exceeds, Path(scratch.path), limit):
                    self._evict(name, plan, scratch)
                    break

    def forget(self, name: str) -> None:
        """Let a workload start: it is changed or removed."""
        task = self._tasks.pop(name, None)
        if task is not None:
            task.cancel()
        self.failures.pop(name, None)
        self.note_started(name)
        self._backoffs.pop(name, None)

    def note_started(self, name: str) -> None:
        """Note that a pod runs again, or will not."""
        self.unfinished.discard(name)
        with contextlib.suppress(OSError):  # where it cannot be removed, the pod starts once more
            self._files.paths_of(name).eviction_mark.unlink(missing_ok=True)

    def cancel(self) -> None:
        """Forget every workload."""
        for name in list(self.failures):
            self.forget(name)

    def _list_marked(self) -> set[str]:
        installed = self._files.list_installed()
        return {name for name in installed if self._files.paths_of(name).eviction_mark.exists()}

    def _list_limited(self) -> list[tuple[str, VolumePlan]]:
        return [
            (name, plan)
            for name, plan in self._read_plans()
            if any(scratch.size_limit for scratch in plan.scratch)
        ]

    def _read_plans(self) -> Iterator[tuple[str, VolumePlan]]:
        for name in self._files.list_installed():
            try:
                yield name, read_plan(self._files.paths_of(name).plan)
            except (OSError, ValueError):
                continue

    def _evict(self, name: str, plan: VolumePlan, scratch: ScratchDirectory) -> None:
        message = f'Usage of EmptyDir volume "{scratch.name}" exceeds the limit "{scratch.limit}".'
        log.warning("Workload %s is stopped: %s [%s]", name, message, EVICTED)
        self.failures[name] = WorkloadError(EVICTED, message)
        self.unfinished.add(name)
        if not plan.is_final:
            with contextlib.suppress(OSError):  # the disk may be full: of this pod's files
                self._files.paths_of(name).eviction_mark.touch()
        self._tasks[name] = asyncio.create_task(self._pause(name, plan), name=f"evict {name}")
        self._on_change()

    async def _pause(self, name: str, plan: VolumePlan) -> None:
        """Stop a pod and empty its directories; it may start again after a while.

        One that does not stop is left to the next look.
        """
        try:
            await self._stop(name)
        except WorkloadError as error:
            log.warning("Workload %s: %s [%s]", name, error.message, error.reason)
            self._release(name)
            return
        await asyncio.to_thread(empty_scratch, plan)
        self._on_change()
        if plan.is_final:
            return
        backoff = self._backoffs.setdefault(name, Backoff(*PAUSE, jitter=0.0))
        await asyncio.sleep(backoff.next())
        self._release(name)

    def _release(self, name: str) -> None:
        self._tasks.pop(name, None)
        self.failures.pop(name, None)
        self._on_change()


def empty_scratch(plan: VolumePlan) -> None:
    """Remove what is in the directories of every emptyDir, on disk and in memory."""
    paths = [scratch.path for scratch in plan.scratch] + [memory.path for memory in plan.memory]
    for path in paths:
        empty_directory(Path(path))
