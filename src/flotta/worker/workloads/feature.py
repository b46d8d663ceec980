"""The workloads of a device: configured, kept running, reported, removed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple, Protocol

from flotta.protocol.log_ends import without_log
from flotta.protocol.models import (
    DataConfiguration,
    DeviceConfigurationMessage,
    Heartbeat,
    WorkloadStatus,
)
from flotta.protocol.phases import ERROR
from flotta.protocol.reasons.device_programs import REMOVAL_INCOMPLETE
from flotta.protocol.reasons.reason import NO_REASON
from flotta.protocol.reasons.workloads import DATA_SYNC_FAILED, FAILED
from flotta.tree_removal import RemovalFailure
from flotta.worker.features import AgentContext, Feature
from flotta.worker.known_mounts import KnownMounts
from flotta.worker.pod_unit.plan import init_pod_of
from flotta.worker.probes.prober import Prober
from flotta.worker.settings import Settings
from flotta.worker.workloads.claim_names import ClaimNames
from flotta.worker.workloads.claims import Claims
from flotta.worker.workloads.container_hooks import ContainerHooks
from flotta.worker.workloads.desired import build_desired
from flotta.worker.workloads.device_facts import read_device_facts
from flotta.worker.workloads.files import WorkloadFiles
from flotta.worker.workloads.installed_manifests import list_images
from flotta.worker.workloads.observer import Observer
from flotta.worker.workloads.pod_facts import DeviceFacts
from flotta.worker.workloads.probed_pods import ProbedPods
from flotta.worker.workloads.pulled_images import PulledImages
from flotta.worker.workloads.reconciler import Reconciler
from flotta.worker.workloads.state import Observation, WorkloadState, derive_state
from flotta.worker.workloads.suspension import Suspension

MAX_NAME = 253  # characters of a name in a status, which may be one that is refused
MAX_MESSAGE = 1000  # characters


class Summary(NamedTuple):
    """What has to change for a heartbeat to be sent at once; of the first three, for an event."""

    phase: str
    reason: str
    wrong: str  # the message of a permanent failure
    ready: bool | None


class Transfers(Protocol):
    """What a pod needs from data synchronisation: its files are sent before it is removed.

    Only the reconciler knows when a workload is removed, and an entry of `Heartbeat.workloads`
    carries both the state of the pod and that of its files. So workloads are given this much of
    the data feature, which in turn knows nothing about pods.
    """

    def keep_leaving(self, leaving: Mapping[str, DataConfiguration | None]) -> None:
        """Set which workloads have files here without being configured: removed or held."""

    async def flush_workload(self, name: str, data: DataConfiguration | None) -> None:
        """Send the files of a workload that is being removed a last time, within a time limit."""

    def add_transfer_status(self, status: WorkloadStatus) -> str:
        """Add upload time and counters to a status; return the problem, empty for none."""


class WorkloadsFeature(Feature):
    """Brings pods to what is configured and reports their state."""

    def __init__(
        self,
        settings: Settings,
        agent: AgentContext,
        transfers: Transfers,
        known_mounts: KnownMounts | None = None,
    ) -> None:
        self._agent = agent
        self._transfers = transfers
        self._known_mounts = known_mounts or KnownMounts()
        self._files = WorkloadFiles(
            settings.workloads_dir,
            settings.volumes_dir,
            settings.units_dir,
            known_mounts=self._known_mounts,
        )
        self._observer = Observer(
            settings.exits_dir, settings.unit_changes_dir, self._handle_snapshot
        )
        self._claims = Claims(settings.state_dir, self._files)
        self._images = PulledImages(settings.state_dir, self._list_images)
        self._suspension = Suspension(self._files.suspension_file)
        self._reconciler = Reconciler(
            self._files,
            self._observer,
            self._suspension,
            transfers.flush_workload,
            self._report_changes,
            self._images.pull,
            self._remove_stored,
        )
        self._device = DeviceFacts()
        self._volumes_dir = settings.volumes_dir
        self._hooks = ContainerHooks(self._files, agent)
        self._prober = self._make_prober()
        self._names: tuple[str, ...] = ()
        self._is_read = False  # what is installed, or what is configured
        self._reported: dict[str, Summary] = {}  # by workload
        self._warned: dict[str, str] = {}  # what is left of workloads that are being removed

    def _make_prober(self) -> Prober:
        crashes, is_settled = self._observer.crashes, self._reconciler.is_settled
        pods = ProbedPods(self._files, crashes, self._agent, self._hooks, is_settled)
        return Prober(pods, self._report_changes)

    async def prepare(self) -> None:
        """Observe what runs, so that the first configuration is compared with that."""
        self._device = await read_device_facts(self._volumes_dir)
        await self._claims.prepare()
        installed = self._files.list_installed()
        self._reconciler.evictions.load()
        # Reported before there is a configuration: it shows what the device would lose.
        self._names, self._is_read = tuple(sorted(installed)), True
        self._observer.watch_units({name: self._files.unit_of(name) for name in installed})
        await self._observer.refresh()

    def configure(self, message: DeviceConfigurationMessage) -> None:
        """Take the workloads; a broken one is reported by name."""
        namespaces = [workload.namespace for workload in message.workloads or []]
        claims = self._claims.names(namespaces[0]) if namespaces else ClaimNames()
        for workload in message.workloads or []:
            self._known_mounts.expect_workload(workload.name)
        self._known_mounts.learn()
        device = replace(
            self._device,
            device_id=self._agent.device_id,
            claims=claims,
            mounts=self._known_mounts.known,
        )
        desired = build_desired(message, device, self._files, may_remove=self._agent.may_remove)
        self._claims.note_used(desired.pods.values())
        # What is held is reported too: it shows the control plane what the device would lose.
        configured = (workload.name for workload in message.workloads or [])
        self._names, self._is_read = (*configured, *sorted(desired.held)), True
        self._reconciler.apply(desired)
        self._transfers.keep_leaving(self._reconciler.list_leaving() | self._reconciler.list_held())
        self._report_changes()

    async def wait_applied(self) -> None:
        """Wait until every workload was tried once."""
        await self._reconciler.first_pass.wait()

    async def run(self) -> None:
        """Observe and reconcile until cancelled."""
        self._reconciler.wake()  # it may run again after an error
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._observer.run())
            tasks.create_task(self._reconciler.run())
            tasks.create_task(self._prober.run())
            tasks.create_task(self._images.run())
            tasks.create_task(self._reconciler.evictions.run())

    async def report(self, heartbeat: Heartbeat) -> None:
        """Add the status of each workload that is configured or held, else of what is installed.

        Raises OSError when that cannot be read.
        """
        if not self._is_read:
            await self.prepare()
        heartbeat.workloads = [
            self._make_status(name, state) for name, state in self._derive_states().items()
        ]

    def keep_stopped(self, *, stopped: bool) -> None:
        """Stop every pod until this is called again, also across restarts; keep all files."""
        self._reconciler.suspend(stopped=stopped)

    async def wipe(self) -> None:
        """Stop and remove every pod with its files."""
        self._names, self._is_read = (), True
        self._reported.clear()
        try:
            await self._reconciler.wipe()
        finally:
            self._suspension.end()
            self._known_mounts.forget_all()

    def _list_images(self) -> set[str]:
        """Return the images that workloads have, or will have in a moment."""
        return list_images(self._files) | self._reconciler.desired_images

    async def _remove_stored(self) -> list[RemovalFailure]:
        """Remove what podman stores for workloads that are gone, when the device leaves."""
        await self._images.remove_all()
        return await self._claims.remove_all()

    def _handle_snapshot(self) -> None:
        """Compare with what is desired and with what was reported."""
        self._reconciler.wake()
        self._prober.observe(self._observer.snapshot.containers)
        self._hooks.observe(self._observer.snapshot.containers)
        self._report_changes()

    def _report_changes(self) -> None:
        """Ask for a heartbeat if a workload's phase or reason changed; a failure is an event."""
        self._warn_about_leaving()
        states = self._derive_states()
        summaries = {name: self._summarize(name, state) for name, state in states.items()}
        if summaries == self._reported:
            return
        for name, state in states.items():
            failed = state.phase == ERROR or name in self._reconciler.failures
            known = self._reported.get(name, ())[:3]
            if failed and state.message and known != summaries[name][:3]:
                message = without_log(state.message)
                self._agent.add_warning(state.reason or FAILED, message, workload=name)
        self._reported = summaries
        self._agent.request_heartbeat()

    def _summarize(self, name: str, state: WorkloadState) -> Summary:
        failure = self._reconciler.failures.get(name)
        # What waits for another configuration is told again when something else is wrong with it.
        wrong = state.message if failure is not None and failure.permanent else ""
        return Summary(state.phase, state.reason, wrong, state.ready)

    def _warn_about_leaving(self) -> None:
        """Say which workloads cannot be removed; they are in no status, so each is an event."""
        failures = self._reconciler.failures
        leaving = {
            name: failures[name].message
            for name in failures.keys() - set(self._names)
            if failures[name].reason == REMOVAL_INCOMPLETE
        }
        for name, message in leaving.items():
            if self._warned.get(name) != message:
                self._agent.add_warning(REMOVAL_INCOMPLETE, message)
                self._agent.request_heartbeat()
        self._warned = leaving

    def _derive_states(self) -> dict[str, WorkloadState]:
        return {name: derive_state(self._observe(name)) for name in self._names}

    def _observe(self, name: str) -> Observation:
        return Observation(
            unit=self._observer.unit_state(name),
            containers=self._observer.containers_of(name),
            failure=self._reconciler.failure_of(name),
            activity=self._reconciler.activities.get(name, NO_REASON),
            explanation=self._observer.explanation_of(name),
            crashes=self._observer.crashes.list_crashes(name),
            logs=self._observer.logs.of_pod(name),
            init_logs=self._observer.logs.of_pod(init_pod_of(name)),
            readiness=self._prober.readiness_of(name),
        )

    def _make_status(self, name: str, state: WorkloadState) -> WorkloadStatus:
        """Return the entry of a heartbeat; a reason of the pod hides a problem with files."""
        status = WorkloadStatus(
            name=name[:MAX_NAME],
            status=state.phase,
            reason=state.reason,
            message=state.message,
            ready=state.ready,
        )
        problem = self._transfers.add_transfer_status(status)
        if problem and not status.reason:
            status.reason, status.message = DATA_SYNC_FAILED, problem
        status.message = status.message[:MAX_MESSAGE]
        return status
