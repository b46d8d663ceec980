"""What surrounds a device's features: configurations, registration, heartbeats, disconnect.

What is done with a configuration is up to the features (`features`); nothing here knows them.
Rules: docs/reference/device.md#lifecycle-of-a-device, docs/reference/device.md#configuration.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from flotta import __version__
from flotta.daemon import notify
from flotta.protocol.envelope import encode
from flotta.protocol.models import DeviceConfigurationMessage
from flotta.protocol.reasons.device_programs import (
    CONFIGURATION_REFUSED,
    DEVICE_REMOVED,
    REMOVAL_INCOMPLETE,
    STATE_NOT_STORED,
)
from flotta.protocol.reasons.reason import Code
from flotta.unforeseen import keep_going, run_again
from flotta.worker.configuration import keep_absent, keep_unresolved, parse_configuration
from flotta.worker.configuration_changes import has_same_content, keep_unchanged_workloads
from flotta.worker.configuration_store import ConfigurationStore, StoredConfiguration
from flotta.worker.configuration_writer import ConfigurationWriter
from flotta.worker.errors import ConfigurationError, WipeError, WorkerError
from flotta.worker.events import EventQueue
from flotta.worker.feature_configuration import FeatureConfiguration
from flotta.worker.feature_list import make_features
from flotta.worker.features import AgentContext, Feature
from flotta.worker.gateway_client import GatewayClient, WorkerService
from flotta.worker.heartbeat import DeviceStatus, Heartbeats
from flotta.worker.newest_inputs import NewestInputs
from flotta.worker.older_configuration import OlderConfiguration
from flotta.worker.registration import Registration
from flotta.worker.removal import remove_everything
from flotta.worker.reporting import Reporting
from flotta.worker.settings import Settings

log = logging.getLogger(__name__)

STORE_RETRY = 15.0  # seconds between two attempts to store what the disk has refused
APPLY_TIMEOUT = 30.0  # seconds until a version is reported although not all was tried


@dataclass
class _Device:
    """What the device knows about itself."""

    message: DeviceConfigurationMessage | None = None  # the configuration, None before there is one
    is_newest: bool = True  # not from disk, where a newer one may have been lost
    version: str = ""  # the last that the control plane gave this configuration
    is_applied: bool = False  # everything of it was tried once
    applied_version: str = ""  # of the last configuration that was applied
    refusal: str = ""  # why the last message was refused, empty when it was not

    def take_version(self, version: str) -> None:
        """Report the version of the present configuration with the next regular heartbeat.

        A heartbeat at once would change the version on a control plane of v0.2, and the new version
        would cause the next heartbeat, and so on. Nothing is reported before it is applied.
        """
        self.version = version
        if self.is_applied:
            self.applied_version = version


class Agent:
    """Runs the features of a device; `run` serves until cancelled.

    `make` builds them; they may use the context that it is given once the agent runs.
    """

    def __init__(
        self,
        settings: Settings,
        make: Callable[[Settings, AgentContext], tuple[Feature, ...]] = make_features,
    ) -> None:
        _make_directory(settings.state_dir)
        self._settings = settings
        self._device = _Device()
        self._incoming: asyncio.Queue[bytes] = asyncio.Queue(maxsize=1)
        self._wiping = asyncio.Lock()
        self._tasks: asyncio.TaskGroup
        self._parked = False  # disconnected: nothing is done until the gateway starts again
        self._store = ConfigurationStore(settings.state_dir)
        self._writer = ConfigurationWriter(self._store)
        self._newest = NewestInputs(settings.state_dir / "newest-inputs.json")
        self._events = EventQueue(settings.state_dir / "events.json")
        self._gateway = GatewayClient(
            settings,
            WorkerService(
                self._queue_configuration, self._handle_disconnect, self._handle_quarantine
            ),
        )
        self._gateway.on_connect = self._handle_connect
        self._gateway.on_unregistered = self._register_again
        self._older = OlderConfiguration(self._gateway, self._events, self.request_heartbeat)
        self._features = make(settings, self)
        self._configuration = FeatureConfiguration(self._features, self)
        self._heartbeats = Heartbeats(
            self._gateway, self._events, self._features, self._read_status, __version__
        )
        self._reporting = Reporting(
            Registration(self._gateway, self._features, settings.target_namespace),
            self._heartbeats,
        )

    async def run(self) -> None:
        """Work from what is on disk, then with the control plane, until cancelled."""
        stored = await asyncio.to_thread(self._store.load)
        async with asyncio.TaskGroup() as self._tasks:
            for feature in self._features:
                await keep_going(feature.prepare)
            if stored is not None:
                await keep_going(partial(self._apply_stored, stored))
            for feature in self._features:
                self._tasks.create_task(run_again(feature.run))
            self._tasks.create_task(self._apply_queued())
            self._tasks.create_task(run_again(self._store_later))
            self._tasks.create_task(run_again(self._gateway.run))
            self._register_if_needed()
            notify("READY=1")

    @property
    def device_id(self) -> str:
        """The id of this device, empty until a gateway was connected."""
        return self._gateway.device_id

    @property
    def may_remove(self) -> bool:
        """Whether what the configuration does not contain is to be removed."""
        return self._device.is_newest

    def request_heartbeat(self) -> None:
        """Ask for a heartbeat soon; several requests become one heartbeat."""
        self._heartbeats.request()

    def add_warning(self, reason: Code, message: str, *, workload: str = "") -> None:
        """Queue a warning; drop it without a configuration, when everything is being removed."""
        if self._device.message is not None:
            self._events.add_warning(reason, message, workload=workload)

    def _queue_configuration(self, content: bytes) -> None:
        """Keep the newest content only: one that is not being applied yet is out of date."""
        with contextlib.suppress(asyncio.QueueEmpty):
            self._incoming.get_nowait()
        self._incoming.put_nowait(content)

    async def _handle_disconnect(self) -> None:
        """Remove everything that came from the control plane, even if the gateway stops waiting.

        Order and extent: docs/reference/device.md#disconnect. Raises WipeError when something
        is left that must be gone; the gateway repeats the command then.
        """
        self._parked = True
        error = await asyncio.shield(self._tasks.create_task(self._wipe()))
        if error is not None:
            raise error

    def _handle_quarantine(self, stopped: bool) -> None:
        """Stop everything that was deployed, or start it again; nothing is removed.

        See docs/reference/device.md#quarantine.
        """
        for feature in self._features:
            feature.keep_stopped(stopped=stopped)

    async def _wipe(self) -> WorkerError | None:
        """Return what prevented the removal, because an error of a task would end the worker."""
        async with self._wiping:
            try:
                await self._remove_everything()
            except Exception as error:  # whatever it is, the gateway asks again
                log.error("Not everything is removed: %s [%s]", error, REMOVAL_INCOMPLETE)
                return error if isinstance(error, WorkerError) else WipeError(str(error))
            log.info("Workloads and data are removed; the device waits to be registered again")
            return None

    async def _remove_everything(self) -> None:
        """Go through everything, whatever fails; raise WipeError with all that failed."""
        log.warning(
            "The control plane removed this device: removing workloads and data [%s]",
            DEVICE_REMOVED,
        )
        self._gateway.end_renewal()
        await self._reporting.stop()
        self._older.end()
        with contextlib.suppress(asyncio.QueueEmpty):
            self._incoming.get_nowait()
        self._device = _Device()
        self._configuration.cancel()
        self._writer.forget_refused()
        await remove_everything(
            self._settings,
            (self._store.wipe, self._newest.wipe, self._events.wipe),
            self._features,
        )

    def _handle_connect(self) -> None:
        """Register; a gateway that starts again ends the parking of a disconnected device."""
        if not self._wiping.locked():
            self._parked = False
            self._register_if_needed()

    async def _apply_queued(self) -> None:
        while True:
            content = await self._incoming.get()
            async with self._wiping:
                if not self._parked:
                    await keep_going(partial(self._apply_content, content))

    async def _apply_content(self, content: bytes) -> None:
        try:
            received = parse_configuration(content, self._gateway.device_id)
        except ConfigurationError as error:
            self._refuse_content(str(error))
            return
        self._device.refusal = ""
        before, is_older = self._device.message, self._newest.is_older(received)
        known = keep_absent(received, before) if is_older else received
        message = keep_unchanged_workloads(keep_unresolved(known, before), before)
        # What an older one does not contain is kept in it, unless it was not known before either.
        is_newest = self._device.is_newest if is_older and before else not is_older
        self._newest.note(received)
        if has_same_content(message, before) and is_newest == self._device.is_newest:
            self._device.take_version(message.version)
        else:
            await self._writer.write(content if message is received else encode(message))
            self._apply_message(message, is_newest=is_newest)
        if is_older and (known is not received or not is_newest):
            self._hold(received, known)
        else:
            self._older.end()

    def _hold(
        self, received: DeviceConfigurationMessage, known: DeviceConfigurationMessage
    ) -> None:
        """Say which workloads are kept although an older configuration does not contain them."""
        kept = set(known.unresolved_workloads or ()) - set(received.unresolved_workloads or ())
        self._older.note(self._tasks, tuple(sorted(kept)), self._newest.describe(received))

    def _refuse_content(self, reason: str) -> None:
        """Report why a configuration is refused, once: see `_Device.take_version`."""
        if reason == self._device.refusal:
            return
        self._device.refusal = reason
        log.error(
            "Configuration refused, the last good one stays: %s [%s]", reason, CONFIGURATION_REFUSED
        )
        self._events.add_warning(CONFIGURATION_REFUSED, reason)
        self._heartbeats.request()

    async def _store_later(self) -> None:
        """Store a configuration that the disk refused, as soon as that works."""
        while True:
            await asyncio.sleep(STORE_RETRY)
            async with self._wiping:
                if await self._writer.write_refused():
                    self._heartbeats.request()

    async def _apply_stored(self, stored: StoredConfiguration) -> None:
        is_newest = stored.is_newest and not self._newest.is_older(stored.message)
        self._apply_message(stored.message, is_newest=is_newest)

    def _apply_message(
        self, message: DeviceConfigurationMessage, *, is_newest: bool = True
    ) -> None:
        log.info(
            "Configuration %s with %d workloads", message.version, len(message.workloads or [])
        )
        self._device.message, self._device.is_applied = message, False
        self._device.is_newest = is_newest
        self._device.take_version(message.version)
        self._heartbeats.configure(message)
        self._configuration.configure(self._tasks, message)
        self._reporting.start_heartbeats(self._tasks)
        self._report_version_later(message)

    def _report_version_later(self, message: DeviceConfigurationMessage) -> None:
        """Report the version once every feature has tried everything, or after half a minute."""

        async def report() -> None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(APPLY_TIMEOUT):
                    for feature in self._features:
                        await feature.wait_applied()
            if self._device.message is message:
                self._device.is_applied = True
                self._device.take_version(self._device.version)
                self._heartbeats.request()

        self._tasks.create_task(run_again(report))

    def _register_if_needed(self) -> None:
        if self._device.message is None and not self._parked:
            self._reporting.start_registration(self._tasks)

    def _register_again(self) -> None:
        """Register although there is a configuration: the certificate is the one for registration.

        Only under a gateway that leaves it to its workers.
        """
        if not self._parked:
            self._reporting.start_registration(self._tasks)

    def _read_status(self) -> DeviceStatus:
        problems = (self._configuration.problem, *(feature.problem for feature in self._features))
        degraded = self._writer.is_behind or any(problems)
        return DeviceStatus(self._device.applied_version, degraded)


def _make_directory(path: Path) -> None:
    """Make the state directory; without it the worker runs all the same, to be told what to do."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        log.error(
            "%s cannot be made, so nothing is kept on disk: %s [%s]", path, error, STATE_NOT_STORED
        )
