"""The pods of this device as the prober needs them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from flotta.protocol.reasons.workloads import DISK_FAILURE, UNHEALTHY
from flotta.worker.features import AgentContext
from flotta.worker.probes.container_run import ContainerRun
from flotta.worker.probes.prober import Probes
from flotta.worker.workloads.container_hooks import ContainerHooks
from flotta.worker.workloads.crash_loop import ContainerName, Crashes
from flotta.worker.workloads.files import WorkloadFiles
from flotta.worker.workloads.manifest import is_name
from flotta.worker.workloads.probe_ends import note_end, note_run
from flotta.worker.workloads.stored_probes import StoredProbes, read_probes

log = logging.getLogger(__name__)


@dataclass
class ProbedPods:
    """Reads probes from disk, once for each pod, and passes on what a probe has decided.

    `is_settled` tells whether a workload is left alone at the moment: its pod is neither being
    started nor stopped nor replaced.
    """

    files: WorkloadFiles
    crashes: Crashes
    agent: AgentContext
    hooks: ContainerHooks
    is_settled: Callable[[str], bool]
    _stored: dict[str, StoredProbes] = field(default_factory=dict)  # by workload

    def read_probes(self, workload: str, digest: str) -> Probes:
        """Return the probes of the pod with this digest, none for one that is being replaced."""
        stored = self._stored.get(workload)
        if stored is None or stored.digest != digest:
            if not is_name(workload):
                return {}
            stored = read_probes(self.files.paths_of(workload).directory)
            self._stored[workload] = stored
        if stored.digest != digest:
            return {}
        return {probes.container: probes for probes in stored.containers}

    def may_end(self, run: ContainerRun) -> bool:
        """Tell whether a container may be ended now."""
        return self.is_settled(run.workload)

    def will_end(self, run: ContainerRun, message: str) -> None:
        """Note why the next exit of a container happens, and report it."""
        self.crashes.expect_exit(ContainerName(run.workload, run.container), message)
        self.agent.add_warning(UNHEALTHY, message, workload=run.workload)

    def note_run(self, run: ContainerRun) -> None:
        """Forget that an earlier run of a container was ended."""
        try:
            note_run(self._directory_of(run), run)
        except OSError as error:
            log.warning("Workload %s: %s [%s]", run.workload, error, DISK_FAILURE)

    def _directory_of(self, run: ContainerRun) -> Path:
        return self.files.paths_of(run.workload).directory

    async def prepare_end(self, run: ContainerRun, grace: float) -> float:
        """Note the end and run the preStop hook; return the seconds that are left of `grace`."""
        try:
            await asyncio.to_thread(note_end, self._directory_of(run), run)
        except OSError as error:
            log.warning("Workload %s: %s [%s]", run.workload, error, DISK_FAILURE)
        return await self.hooks.prepare_end(run, grace)
