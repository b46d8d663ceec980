"""Pods that are stopped because an `emptyDir` on disk takes more than its `sizeLimit`.

As in Kubernetes, usage is measured now and then, so a limit is exceeded before it is enforced, and
the pod starts again with empty directories. With `restartPolicy: Never` it stays stopped until
its definition changes (docs/reference/device.md#volumes).
"""

from __future__ import annotations

import asyncio
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
from flotta.worker.workloads.interruptions import Interruption, Interruptions

log = logging.getLogger(__name__)

LOOK = 10.0  # seconds between two looks, as Kubernetes
SHARE = 200.0  # times as long as a look took is waited at least: it takes half a per cent at most
PAUSE = 10.0, 300.0  # seconds for which a pod is stopped: the first time, the longest


class Evictions:
    """Measures directories that have a limit, and stops the pods that exceed one.

    `stop` stops a pod and removes it, `runs` tells whether it runs, and `on_change` is called when
    a pod is stopped or may start again. `interruptions` remembers what was stopped.
    """

    def __init__(
        self,
        files: WorkloadFiles,
        interruptions: Interruptions,
        stop: Callable[[str], Awaitable[None]],
        runs: Callable[[str], bool],
        on_change: Callable[[], None],
    ) -> None:
        self._files = files
        self._interruptions = interruptions
        self._stop = stop
        self._runs = runs
        self._on_change = on_change
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._backoffs: dict[str, Backoff] = {}
        self._emptying: dict[str, bool] = {}  # by workload: whether it may start right after that
        self.failures: dict[str, WorkloadError] = {}

    @property
    def workloads(self) -> set[str]:
        """Those that must not be started now."""
        return {*self.failures, *self._emptying}

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            begin = time.monotonic()
            await self.look()
            await asyncio.sleep(max(LOOK, (time.monotonic() - begin) * SHARE))

    def load(self) -> None:
        """Take up the pods that stay stopped since an earlier run; raises OSError."""
        for name, message in self._interruptions.load().items():
            self.failures[name] = WorkloadError(EVICTED, message)

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
        """Let a workload start: it is changed or removed.

        While its directories are being emptied it waits for that: a thread cannot be cancelled, and
        would go on in those of the next pod.
        """
        self.failures.pop(name, None)
        self._backoffs.pop(name, None)
        if name in self._emptying:
            self._emptying[name] = True
        elif task := self._tasks.pop(name, None):
            task.cancel()

    def cancel(self) -> None:
        """End all pauses; what was stopped is still to be started again."""
        for task in self._tasks.values():
            task.cancel()
        self._tasks.clear()
        self.failures.clear()
        self._emptying.clear()

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
        self._interruptions.note(name, Interruption(message, final=plan.is_final))
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
        self._emptying[name] = False
        await asyncio.to_thread(empty_scratch, plan)
        is_changed = self._emptying.pop(name)
        self._on_change()
        if is_changed:
            self._tasks.pop(name, None)
            return
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
