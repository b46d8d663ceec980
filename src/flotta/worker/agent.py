"""The device worker as a whole: configurations that come, pods that change, being sent away."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass

from flotta import __version__
from flotta.daemon import notify
from flotta.protocol.envelope import encode
from flotta.protocol.models import DeviceConfigurationMessage, Workload, WorkloadStatus
from flotta.protocol.phases import ERROR
from flotta.sync.loop import SyncLoop
from flotta.worker.configuration import keep_storage, parse_configuration
from flotta.worker.configuration_store import ConfigurationStore
from flotta.worker.data import DataSync
from flotta.worker.errors import ConfigurationError, WorkloadError
from flotta.worker.events import EventQueue
from flotta.worker.gateway_client import GatewayClient, WorkerService
from flotta.worker.hardware import Inventory
from flotta.worker.heartbeat import DeviceStatus, Heartbeats
from flotta.worker.registration import Registration
from flotta.worker.settings import Settings
from flotta.worker.workloads.files import WorkloadFiles
from flotta.worker.workloads.manifest import Pod, build_pod
from flotta.worker.workloads.observer import Observer
from flotta.worker.workloads.reconciler import Desired, Reconciler
from flotta.worker.workloads.state import Observation, WorkloadState, derive_state

log = logging.getLogger(__name__)

FIRST_PASS_TIMEOUT = 30.0  # seconds until a version is reported although not all was tried


@dataclass
class _Device:
    """What the device knows of itself."""

    message: DeviceConfigurationMessage | None = None
    applied_version: str = ""
    degraded: str = ""


class Agent:
    """Puts the parts together; `run` serves until cancelled."""

    def __init__(self, settings: Settings) -> None:
        settings.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._settings = settings
        self._device = _Device()
        self._incoming: asyncio.Queue[bytes] = asyncio.Queue(maxsize=1)
        self._reported: dict[str, tuple[str, str]] = {}
        self._wiping = asyncio.Lock()
        self._tasks: asyncio.TaskGroup
        self._registration_task: asyncio.Task[None] | None = None
        self._heartbeat_task: asyncio.Task[None] | None = None
        self._parked = False
        inventory = Inventory()
        self._store = ConfigurationStore(settings.state_dir)
        self._events = EventQueue(settings.state_dir / "events.json")
        self._files = WorkloadFiles(
            settings.workloads_dir, settings.volumes_dir, settings.units_dir
        )
        self._data = DataSync(SyncLoop(settings.state_dir, settings.volumes_dir))
        self._gateway = GatewayClient(
            settings, WorkerService(self._queue_configuration, self._handle_disconnect)
        )
        self._gateway.on_connect = self._handle_connect
        self._observer = Observer(
            settings.exits_dir, settings.unit_changes_dir, self._handle_snapshot
        )
        self._reconciler = Reconciler(
            self._files, self._observer, self._data.flush_workload, self._report_changes
        )
        self._registration = Registration(self._gateway, inventory.read, settings.target_namespace)
        self._heartbeats = Heartbeats(
            self._gateway, self._events, self._read_status, inventory.read, __version__
        )

    async def run(self) -> None:
        """Work from what is on disk, then with the control plane, until cancelled."""
        message = await asyncio.to_thread(self._store.load)
        async with asyncio.TaskGroup() as self._tasks:
            self._observer.watch_units(
                {name: self._files.unit_of(name) for name in self._files.list_installed()}
            )
            await self._observer.refresh()
            if message is not None:
                self._apply_message(message)
            self._tasks.create_task(self._observer.run())
            self._tasks.create_task(self._reconciler.run())
            self._tasks.create_task(self._data.engine.run())
            self._tasks.create_task(self._apply_queued())
            self._tasks.create_task(self._gateway.run())
            self._start_registration()
            notify("READY=1")

    # --- called by the gateway -----

    def _queue_configuration(self, content: bytes) -> None:
        """Keep the newest content only: one that was not begun yet is out of date."""
        with contextlib.suppress(asyncio.QueueEmpty):
            self._incoming.get_nowait()
        self._incoming.put_nowait(content)

    async def _handle_disconnect(self) -> None:
        """Remove everything that came from the control plane, even if the gateway stops waiting."""
        self._parked = True
        await asyncio.shield(self._tasks.create_task(self._wipe()))

    async def _wipe(self) -> None:
        async with self._wiping:
            log.warning("The control plane sent this device away: everything of it is removed")
            await self._stop_reporting()
            with contextlib.suppress(asyncio.QueueEmpty):
                self._incoming.get_nowait()
            self._device = _Device()
            self._reported.clear()
            self._store.wipe()
            self._events.wipe()
            await self._reconciler.wipe()
            self._data.wipe()
            log.info("Everything is removed; the device waits to be registered anew")

    def _handle_connect(self) -> None:
        """Return a gateway that starts anew ends the parking of a device that was sent away."""
        if not self._wiping.locked():
            self._parked = False
            self._start_registration()

    # --- configuration -----

    async def _apply_queued(self) -> None:
        while True:
            content = await self._incoming.get()
            async with self._wiping:
                if not self._parked:
                    await self._apply_content(content)

    async def _apply_content(self, content: bytes) -> None:
        try:
            received = parse_configuration(content, self._gateway.device_id)
        except ConfigurationError as error:
            log.error("Configuration refused, the last good one stays: %s", error)
            self._events.add("ConfigurationRefused", str(error))
            self._heartbeats.request()
            return
        message = keep_storage(received, self._device.message)
        if message == self._device.message:
            return
        if message is not received:
            content = encode(message)
        try:
            await asyncio.to_thread(self._store.save, content)
            self._device.degraded = ""
        except OSError as error:
            log.error("The configuration is applied but not kept on disk: %s", error)
            self._device.degraded = f"configuration not kept: {error}"
        self._apply_message(message)

    def _apply_message(self, message: DeviceConfigurationMessage) -> None:
        log.info(
            "Configuration %s with %d workloads", message.version, len(message.workloads or [])
        )
        self._device.message = message
        self._stop_registration()
        self._heartbeats.configure(message)
        desired = self._build_desired(message)
        self._reconciler.apply(desired)
        problem = self._data.configure(message)
        self._data.keep_leaving(self._reconciler.list_leaving())
        if problem:
            self._events.add("InvalidStorage", problem)
        if self._heartbeat_task is None or self._heartbeat_task.done():
            self._heartbeat_task = self._tasks.create_task(self._heartbeats.run())
        self._report_version_later(message.version)
        self._report_changes()

    def _build_desired(self, message: DeviceConfigurationMessage) -> Desired:
        pods: dict[str, Pod] = {}
        broken: dict[str, WorkloadError] = {}
        workloads = message.workloads or []
        for workload in workloads:
            try:
                pods[workload.name] = self._build_pod(workload, message)
            except WorkloadError as error:
                broken[workload.name] = error
        return Desired(pods, broken)

    def _build_pod(self, workload: Workload, message: DeviceConfigurationMessage) -> Pod:
        paths = self._files.paths_of(workload.name)
        device_id = message.device_id or self._gateway.device_id
        try:
            return build_pod(workload, message.secrets or [], device_id, paths)
        except (TypeError, AttributeError, KeyError, ValueError) as error:
            raise WorkloadError(
                "InvalidSpecification",
                f"the pod specification has an unexpected shape: {error}",
                permanent=True,
            ) from error

    def _report_version_later(self, version: str) -> None:
        """Report the version once every workload was tried once, or after half a minute."""

        async def report() -> None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FIRST_PASS_TIMEOUT):
                    await self._reconciler.first_pass.wait()
            if self._device.message is not None and self._device.message.version == version:
                self._device.applied_version = version
                self._heartbeats.request()

        self._tasks.create_task(report())

    # --- registration -----

    def _start_registration(self) -> None:
        running = self._registration_task is not None and not self._registration_task.done()
        if self._device.message is None and not running and not self._parked:
            self._registration_task = self._tasks.create_task(self._registration.run())

    def _stop_registration(self) -> None:
        if self._registration_task is not None:
            self._registration_task.cancel()
            self._registration_task = None

    async def _stop_reporting(self) -> None:
        self._stop_registration()
        if self._heartbeat_task is not None:
            self._heartbeat_task.cancel()
            await asyncio.wait((self._heartbeat_task,))
            self._heartbeat_task = None

    # --- state -----

    def _handle_snapshot(self) -> None:
        """Return a new snapshot of what runs."""
        self._reconciler.wake()
        self._report_changes()

    def _report_changes(self) -> None:
        """Send a heartbeat if a workload's phase or reason changed, and an event if it failed."""
        states = self._derive_states()
        summaries = {name: state.phase_and_reason for name, state in states.items()}
        if summaries == self._reported:
            return
        for name, state in states.items():
            if (
                state.phase == ERROR
                and self._reported.get(name) != state.phase_and_reason
                and state.message
            ):
                self._events.add(state.reason or "Failed", state.message, workload=name)
        self._reported = summaries
        self._heartbeats.request()

    def _derive_states(self) -> dict[str, WorkloadState]:
        message = self._device.message
        return {
            workload.name: derive_state(self._observe(workload.name))
            for workload in (message.workloads or [] if message else [])
        }

    def _observe(self, name: str) -> Observation:
        failure = self._reconciler.failures.get(name)
        return Observation(
            unit=self._observer.unit_state(name),
            containers=self._observer.containers_of(name),
            failure=failure,
            activity=self._reconciler.activities.get(name, ""),
            explanation=self._observer.explanation_of(name),
            crashes=self._observer.crashes.list_crashes(name),
        )

    def _read_status(self) -> DeviceStatus:
        statuses = [
            self._workload_status(name, state) for name, state in self._derive_states().items()
        ]
        return DeviceStatus(self._device.applied_version, statuses, bool(self._device.degraded))

    def _workload_status(self, name: str, state: WorkloadState) -> WorkloadStatus:
        status = WorkloadStatus(
            name=name, status=state.phase, reason=state.reason, message=state.message
        )
        problem = self._data.add_transfer_status(status)
        if problem and not status.reason:
            status.reason, status.message = "DataSyncFailed", problem
        return status
