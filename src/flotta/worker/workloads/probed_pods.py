"""The pods of this device as the prober needs them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from flotta.protocol.reasons.workloads import UNHEALTHY
from flotta.worker.features import AgentContext
from flotta.worker.probes.container_run import ContainerRun
from flotta.worker.probes.prober import Probes
from flotta.worker.workloads.container_hooks import ContainerHooks
from flotta.worker.workloads.crash_loop import ContainerName, Crashes
from flotta.worker.workloads.files import WorkloadFiles
from flotta.worker.workloads.manifest import is_name
from flotta.worker.workloads.stored_probes import StoredProbes, read_probes


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

    async def prepare_end(self, run: ContainerRun, grace: float) -> float:
        """Run the preStop hook of a container; return the seconds that are left of `grace`."""
        return await self.hooks.prepare_end(run, grace)
