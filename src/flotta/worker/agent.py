"""The device worker as a whole: what happens when a configuration comes, a pod changes, the device is sent away."""

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

from .configuration import keeping_storage, parse
from .data import DataSync
from .dispatcher import Dispatcher, Endpoint
from .errors import ConfigurationError, WorkloadError
from .events import EventQueue
from .hardware import Inventory
from .heartbeat import Heartbeats, Report
from .registration import Registration
from .settings import Settings
from .store import ConfigurationStore
from .workloads.files import WorkloadFiles
from .workloads.manifest import Pod, build
from .workloads.observer import Observer
from .workloads.phases import State, View, state_of
from .workloads.reconciler import Desired, Reconciler

log = logging.getLogger(__name__)

FIRST_PASS_LIMIT = 30.0


@dataclass
class _Device:
    """What the device knows of itself."""

    message: DeviceConfigurationMessage | None = None
    applied_version: str = ""
    degraded: str = ""


class Agent:
    """Puts the parts together; ``run`` serves until cancelled."""

    def __init__(self, settings: Settings) -> None:
        settings.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._settings = settings
        self._device = _Device()
        self._incoming: asyncio.Queue[bytes] = asyncio.Queue(maxsize=1)
        self._reported: dict[str, tuple[str, str]] = {}
        self._wiping = asyncio.Lock()
        self._tasks: asyncio.TaskGroup
        self._registering: asyncio.Task[None] | None = None
        self._beating: asyncio.Task[None] | None = None
        self._parked = False
        inventory = Inventory()
        self._store = ConfigurationStore(settings.state_dir)
        self._events = EventQueue(settings.state_dir / "events.json")
        self._files = WorkloadFiles(
            settings.workloads_dir, settings.volumes_dir, settings.units_dir
        )
        self._data = DataSync(SyncLoop(settings.state_dir, settings.volumes_dir))
        self._dispatcher = Dispatcher(settings, Endpoint(self._received, self._disconnected))
        self._dispatcher.on_connect = self._connected
        self._observer = Observer(settings.exits_dir, settings.unit_changes_dir, self._seen)
        self._reconciler = Reconciler(
            self._files, self._observer, self._data.flush, self._state_changed
        )
        self._registration = Registration(
            self._dispatcher, inventory.read, settings.target_namespace
        )
        self._heartbeats = Heartbeats(
            self._dispatcher, self._events, self._report, inventory.read, __version__
        )

    async def run(self) -> None:
        """Work offline from what is on disk, then with the control plane; ends only by cancellation or a bug."""
        message = await asyncio.to_thread(self._store.load)
        async with asyncio.TaskGroup() as self._tasks:
            self._observer.watch_units(
                {name: self._files.unit(name) for name in self._files.installed()}
            )
            await self._observer.refresh()
            if message is not None:
                self._apply(message)
            self._tasks.create_task(self._observer.run())
            self._tasks.create_task(self._reconciler.run())
            self._tasks.create_task(self._data.engine.run())
            self._tasks.create_task(self._take_configurations())
            self._tasks.create_task(self._dispatcher.run())
            self._start_registration()
            notify("READY=1")

    # --- called by the gateway -------------------------------------------------------------------------------

    def _received(self, content: bytes) -> None:
        """Keep the newest content only: one that was not begun yet is out of date."""
        with contextlib.suppress(asyncio.QueueEmpty):
            self._incoming.get_nowait()
        self._incoming.put_nowait(content)

    async def _disconnected(self) -> None:
        """Remove everything that came from the control plane; goes on even if the gateway stops waiting for it."""
        self._parked = True
        await asyncio.shield(self._tasks.create_task(self._wipe()))

    async def _wipe(self) -> None:
        async with self._wiping:
            log.warning("The control plane sent this device away: everything of it is removed")
            await self._stop_talking()
            with contextlib.suppress(asyncio.QueueEmpty):
                self._incoming.get_nowait()
            self._device = _Device()
            self._reported.clear()
            self._store.wipe()
            self._events.wipe()
            await self._reconciler.wipe()
            self._data.wipe()
            log.info("Everything is removed; the device waits to be registered anew")

    def _connected(self) -> None:
        """A gateway that starts anew ends the parking of a device that was sent away."""
        if not self._wiping.locked():
            self._parked = False
            self._start_registration()

    # --- configuration ---------------------------------------------------------------------------------------

    async def _take_configurations(self) -> None:
        while True:
            content = await self._incoming.get()
            async with self._wiping:
                if not self._parked:
                    await self._take(content)

    async def _take(self, content: bytes) -> None:
        try:
            told = parse(content, self._dispatcher.device_id)
        except ConfigurationError as error:
            log.error("Configuration refused, the last good one stays: %s", error)
            self._events.add("ConfigurationRefused", str(error))
            self._heartbeats.beat()
            return
        message = keeping_storage(told, self._device.message)
        if message == self._device.message:
            return
        if message is not told:
            content = encode(message)
        try:
            await asyncio.to_thread(self._store.save, content)
            self._device.degraded = ""
        except OSError as error:
            log.error("The configuration is applied but not kept on disk: %s", error)
            self._device.degraded = f"configuration not kept: {error}"
        self._apply(message)

    def _apply(self, message: DeviceConfigurationMessage) -> None:
        log.info(
            "Configuration %s with %d workloads", message.version, len(message.workloads or [])
        )
        self._device.message = message
        self._stop_registration()
        self._heartbeats.configure(message)
        desired = self._desired(message)
        self._reconciler.apply(desired)
        wrong = self._data.configure(message)
        self._data.keep(self._reconciler.leaving())
        if wrong:
            self._events.add("InvalidStorage", wrong)
        if self._beating is None or self._beating.done():
            self._beating = self._tasks.create_task(self._heartbeats.run())
        self._announce(message.version)
        self._state_changed()

    def _desired(self, message: DeviceConfigurationMessage) -> Desired:
        pods: dict[str, Pod] = {}
        broken: dict[str, WorkloadError] = {}
        workloads = message.workloads or []
        for workload in workloads:
            try:
                pods[workload.name] = self._pod(workload, message)
            except WorkloadError as error:
                broken[workload.name] = error
        return Desired(pods, broken)

    def _pod(self, workload: Workload, message: DeviceConfigurationMessage) -> Pod:
        places = self._files.places(workload.name)
        device_id = message.device_id or self._dispatcher.device_id
        try:
            return build(workload, message.secrets or [], device_id, places)
        except (TypeError, AttributeError, KeyError, ValueError) as error:
            raise WorkloadError(
                "InvalidSpecification",
                f"the pod specification has an unexpected shape: {error}",
                permanent=True,
            ) from error

    def _announce(self, version: str) -> None:
        """Report the version once every workload was tried once, or after half a minute."""

        async def announce() -> None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FIRST_PASS_LIMIT):
                    await self._reconciler.first_pass.wait()
            if self._device.message is not None and self._device.message.version == version:
                self._device.applied_version = version
                self._heartbeats.beat()

        self._tasks.create_task(announce())

    # --- registration ----------------------------------------------------------------------------------------

    def _start_registration(self) -> None:
        running = self._registering is not None and not self._registering.done()
        if self._device.message is None and not running and not self._parked:
            self._registering = self._tasks.create_task(self._registration.run())

    def _stop_registration(self) -> None:
        if self._registering is not None:
            self._registering.cancel()
            self._registering = None

    async def _stop_talking(self) -> None:
        self._stop_registration()
        if self._beating is not None:
            self._beating.cancel()
            await asyncio.wait((self._beating,))
            self._beating = None

    # --- state -----------------------------------------------------------------------------------------------

    def _seen(self) -> None:
        """A new snapshot of what runs."""
        self._reconciler.wake()
        self._state_changed()

    def _state_changed(self) -> None:
        """Send a heartbeat if a workload's phase or reason is another one, and an event if it is a failure."""
        states = self._states()
        kinds = {name: state.kind for name, state in states.items()}
        if kinds == self._reported:
            return
        for name, state in states.items():
            if state.phase == ERROR and self._reported.get(name) != state.kind and state.message:
                self._events.add(state.reason or "Failed", state.message, workload=name)
        self._reported = kinds
        self._heartbeats.beat()

    def _states(self) -> dict[str, State]:
        message = self._device.message
        return {
            w.name: state_of(self._view(w.name))
            for w in (message.workloads or [] if message else [])
        }

    def _view(self, name: str) -> View:
        failure = self._reconciler.failures.get(name)
        return View(
            unit=self._observer.unit_state(name),
            containers=self._observer.containers_of(name),
            failure=failure,
            activity=self._reconciler.activities.get(name, ""),
            explanation=self._observer.explanation_of(name),
            crashes=self._observer.crashes.of(name),
        )

    def _report(self) -> Report:
        statuses = [self._status(name, state) for name, state in self._states().items()]
        return Report(self._device.applied_version, statuses, bool(self._device.degraded))

    def _status(self, name: str, state: State) -> WorkloadStatus:
        status = WorkloadStatus(
            name=name, status=state.phase, reason=state.reason, message=state.message
        )
        wrong = self._data.fill(status)
        if wrong and not status.reason:
            status.reason, status.message = "DataSyncFailed", wrong
        return status
