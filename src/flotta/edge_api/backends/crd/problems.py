"""Problems of a device's configuration, written to its EdgeDevice whenever they change.

See docs/reference/control-plane.md#broken-references.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime

from flotta.edge_api.backends.crd.caches import Caches
from flotta.edge_api.backends.crd.configurations import CachedConfiguration, Configurations
from flotta.edge_api.backends.crd.events import Events
from flotta.edge_api.backends.crd.statuses import Statuses
from flotta.fleet.joining import is_registered
from flotta.fleet.problems import find_new_problems, with_problems
from flotta.fleet.quarantine import is_quarantined
from flotta.fleet.rendering import Problem
from flotta.resources.client import ApiError
from flotta.resources.objects.devices import EdgeDevice, EdgeDeviceStatus
from flotta.resources.views import Key, key_of, status_of

DEBOUNCE = 0.3  # seconds; a workload and its Secret are often created one after the other
# Seconds between two checks of all devices, for failed writes and those of other replicas.
RESYNC_INTERVAL = 30.0
CONCURRENT_WRITES = 8  # requests
log = logging.getLogger(__name__)


class ProblemReporter:
    """Checks a device when its configuration changed, whether or not the device polls."""

    def __init__(
        self, caches: Caches, configurations: Configurations, statuses: Statuses, events: Events
    ) -> None:
        self._caches = caches
        self._configurations = configurations
        self._statuses = statuses
        self._events = events
        self._due: set[Key] = set()
        self._changed = asyncio.Event()
        self._writing: dict[Key, asyncio.Task[None]] = {}
        self._turns = asyncio.Semaphore(CONCURRENT_WRITES)
        configurations.subscribe(self._schedule)
        caches.devices.subscribe(self._device_changed)

    async def run(self) -> None:
        """Write what differs until cancelled, then finish running writes."""
        await self._caches.wait_synced()
        try:
            while True:
                await self._wait_for_due()
                await self._check_due()
        finally:
            await asyncio.gather(*self._writing.values(), return_exceptions=True)

    def _schedule(self, key: Key) -> None:
        self._due.add(key)
        self._changed.set()

    def _device_changed(self, old: EdgeDevice | None, new: EdgeDevice | None) -> None:
        if old and new and _workload_names(old) != _workload_names(new):
            self._schedule(key_of(new))  # known problems are shown on entries just added

    async def _wait_for_due(self) -> None:
        try:
            async with asyncio.timeout(RESYNC_INTERVAL):
                await self._changed.wait()
        except TimeoutError:
            self._due.update(key_of(device) for device in self._caches.devices.list())
        else:
            await asyncio.sleep(DEBOUNCE)
        self._changed.clear()

    async def _check_due(self) -> None:
        due, self._due = self._due, set()
        for key in due:
            _, name = key
            try:
                self._write_if_different(key)
            except Exception:  # as in `presence`: one object must not stop the others
                log.exception("The configuration of %s cannot be rendered", name)
            await asyncio.sleep(0)  # devices are served between two renderings

    def _write_if_different(self, key: Key) -> None:
        if key in self._writing:
            self._schedule(key)  # again after that write, which may be out of date by then
        elif self._differs(key):
            task = self._writing[key] = asyncio.create_task(self._write(key))
            task.add_done_callback(lambda _: self._writing.pop(key))

    def _differs(self, key: Key) -> bool:
        device = self._statuses.newest_device(key)
        if device is None or not is_registered(device) or is_quarantined(device):
            return False  # it gets no configuration
        return _status_with_problems(device, self._configurations.get(device)) != status_of(device)

    async def _write(self, key: Key) -> None:
        problems: tuple[Problem, ...] = ()
        _, name = key

        def change(device: EdgeDevice) -> EdgeDeviceStatus:
            nonlocal problems
            cached = self._configurations.get(device)
            problems = cached.rendered.problems
            return _status_with_problems(device, cached)

        try:
            async with self._turns:
                written = await self._statuses.update(key, change)
        except ApiError as error:
            log.warning("The problems of %s could not be written: %s", name, error)
            return
        if written is not None:
            await self._events.write_problems(
                written.device, find_new_problems(written.old, problems)
            )


def _status_with_problems(device: EdgeDevice, cached: CachedConfiguration) -> EdgeDeviceStatus:
    """Return the status of a device with the problems of a rendering."""
    return with_problems(
        status_of(device), cached.rendered.problems, datetime.now(UTC), cached.generation
    )


def _workload_names(device: EdgeDevice) -> set[str]:
    """Return the names in `status.workloads`."""
    return {entry["name"] for entry in status_of(device).get("workloads") or ()}
