"""Carry out the steps from the present pod to the desired one."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from flotta.protocol.models import DataConfiguration
from flotta.protocol.reasons.device_programs import REMOVAL_INCOMPLETE
from flotta.protocol.reasons.reason import Code
from flotta.protocol.reasons.workloads import (
    IMAGE_NEVER_PULL,
    INTERNAL_ERROR,
    PULLING,
    STARTING,
    STOPPING,
    SYSTEMD_FAILURE,
)
from flotta.worker import journal, podman, systemd
from flotta.worker.causes import NO_CAUSE, explain_run
from flotta.worker.errors import WorkloadError
from flotta.worker.image_pull import pull_image
from flotta.worker.workloads.crash_loop import Crashes
from flotta.worker.workloads.export_owner import find_user_ids
from flotta.worker.workloads.files import WorkloadFiles
from flotta.worker.workloads.manifest import Pod
from flotta.worker.workloads.non_root import check_user
from flotta.worker.workloads.stale_files import remove_stale_parts
from flotta.worker.workloads.state import classify_start_failure
from flotta.worker.workloads.steps import (
    FetchImages,
    FlushData,
    NoteData,
    RemoveFiles,
    StartPod,
    Step,
    StopPod,
    WriteFiles,
)
from flotta.worker.workloads.stops import stop_soon
from flotta.worker.workloads.wiping import log_leftovers, removal_error

log = logging.getLogger(__name__)

Flush = Callable[[str, DataConfiguration | None], Awaitable[None]]
Pull = Callable[[str, Path | None], Awaitable[None]]  # of an image, with credentials
MAX_PARALLEL = 2  # image downloads and starts at once
SLOT_TIME = 60.0  # seconds for which a start keeps another one from beginning


class StartError(WorkloadError):
    """The unit of a pod did not start."""


class StepExecution:
    """Carries out steps of several workloads concurrently.

    `flush` sends the files of a workload a last time; `set_activity` is called with a workload and
    its current activity; `pull` fetches an image.
    """

    def __init__(
        self,
        files: WorkloadFiles,
        crashes: Crashes,
        flush: Flush,
        set_activity: Callable[[str, Code], None],
        pull: Pull = pull_image,
    ) -> None:
        self._files = files
        self._crashes = crashes
        self._flush = flush
        self._set_activity = set_activity
        self._pull = pull
        self._slots = asyncio.Semaphore(MAX_PARALLEL)
        self._reloading = asyncio.Lock()
        self._tidy: set[str] = set()  # workloads of which nothing is left that is not in use

    async def execute_step(self, step: Step) -> None:
        """Carry out one step.

        Raises WorkloadError (StartError for a unit that did not start), and OSError when a file
        cannot be written.
        """
        match step:
            case FetchImages():
                await self._fetch_images(step)
            case WriteFiles(pod, outdated):
                await self._write_files(pod, outdated=outdated)
            case NoteData(name, data):
                await asyncio.to_thread(self._files.write_data, name, data)
            case StartPod(name):
                await self._start_pod(name)
            case StopPod(name, soon):
                await self.stop_pod(name, soon=soon)
            case FlushData(name):
                await self._flush_data(name)
            case RemoveFiles(name):
                await self._remove_files(name)

    async def _fetch_images(self, step: FetchImages) -> None:
        await self._pull_images(step)
        for check in step.pod.process.non_root:
            check_user(check, await podman.read_image_user(check.image))

    async def _pull_images(self, step: FetchImages) -> None:
        pod = step.pod
        missing = await podman.find_missing_images(pod.images)
        for image in missing:
            if image in pod.never_pull:
                raise WorkloadError(
                    IMAGE_NEVER_PULL, f"image {image} is not present and its pull policy is Never"
                )
        wanted = list(dict.fromkeys([*missing, *(pod.always_pull if step.refresh else ())]))
        if not wanted:
            return
        self._set_activity(pod.name, PULLING)
        paths = self._files.paths_of(pod.name)
        if pod.auth is not None:
            await asyncio.to_thread(self._files.write_auth, pod)
        async with self._slots:
            for image in wanted:
                try:
                    await self._pull(image, paths.auth_file if pod.auth is not None else None)
                except WorkloadError as error:
                    message = "; ".join([error.message, *pod.skipped_auth])
                    raise WorkloadError(error.reason, message) from error

    async def _write_files(self, pod: Pod, *, outdated: bool) -> None:
        self._tidy.discard(pod.name)
        uids = await find_user_ids(pod.volumes.users)
        if await asyncio.to_thread(self._files.write_pod, pod, uids) or outdated:
            await self._reload_systemd()

    async def _flush_data(self, name: str) -> None:
        record = self._files.list_installed().get(name)
        try:
            await self._flush(name, record.data if record else None)
        except Exception:  # whatever keeps files from being sent must not keep the pod's from going
            log.exception(
                "The last files of workload %s could not be sent [%s]", name, INTERNAL_ERROR
            )

    async def _remove_files(self, name: str) -> None:
        left = await asyncio.to_thread(self._files.remove_workload, name)
        await self._reload_systemd()
        if left.all:
            log_leftovers(left.all)
            raise removal_error(name, left)
        log.info("Workload %s is removed", name)

    async def _reload_systemd(self) -> None:
        async with self._reloading:
            if not await systemd.reload():
                raise WorkloadError(SYSTEMD_FAILURE, "systemd did not reload its units")

    async def _start_pod(self, name: str) -> None:
        self._set_activity(name, STARTING)
        unit = self._files.unit_of(name)
        async with self._ignoring_exits(name):
            started = await self._restart_unit(unit)
        if not started:
            message = explain_run(await journal.read_last_run(unit), name) or NO_CAUSE
            raise StartError(classify_start_failure(message), message)
        log.info("Workload %s is started", name)

    async def remove_stale_parts(self, pod: Pod | None, present: str) -> bool:
        """Remove what nothing uses any more once a pod has replaced another, also without us.

        `present` is the digest of the pod that exists, `pod` the one that is desired. Returns
        whether that took time.
        """
        if pod is None or pod.digest != present or pod.name in self._tidy:
            return False
        self._tidy.add(pod.name)
        await asyncio.to_thread(remove_stale_parts, pod, self._files.paths_of(pod.name))
        return True

    async def _restart_unit(self, unit: str) -> bool:
        """Start a unit; return whether it started. A start that takes long gives up its slot."""
        async with self._slots:
            work = asyncio.create_task(systemd.restart(unit))
            try:
                await asyncio.wait((work,), timeout=SLOT_TIME)
            except asyncio.CancelledError:
                work.cancel()
                raise
        try:
            return await work
        finally:
            work.cancel()

    async def stop_pod(self, name: str, *, soon: bool = False) -> None:
        """Stop the unit of a workload and remove the rest of its pod.

        It may take the pod's whole grace period, unless `soon`. Raises WorkloadError when podman
        does not remove it: what a pod still uses must stay.
        """
        self._set_activity(name, STOPPING)
        async with self._ignoring_exits(name):
            if soon:
                await stop_soon(name, self._files.unit_of(name))
            else:
                await systemd.stop(self._files.unit_of(name))
            removed = await podman.remove_pod(name)
        if not removed:
            raise WorkloadError(
                REMOVAL_INCOMPLETE,
                f"pod {name} does not stop; `podman pod rm -f {name}` says why",
            )

    async def stop_unit(self, name: str) -> None:
        """Stop the unit of a workload that will be started again."""
        async with self._ignoring_exits(name):
            await systemd.stop(self._files.unit_of(name))

    @contextlib.asynccontextmanager
    async def _ignoring_exits(self, name: str) -> AsyncIterator[None]:
        """Do not count the exits of containers that the worker stops itself."""
        self._crashes.mute(name)
        try:
            yield
        finally:
            self._crashes.unmute(name)
