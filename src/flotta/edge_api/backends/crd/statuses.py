"""Writes of EdgeDevice status: computed from the newest known object, repeated on conflict."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from flotta.resources.bounds import fit_changes, fit_whole
from flotta.resources.cache import Cache
from flotta.resources.changes import as_read, change_status
from flotta.resources.client import Client, Conflict, Invalid, retry_on_conflict
from flotta.resources.kinds import EDGE_DEVICE
from flotta.resources.objects.devices import EdgeDevice, EdgeDeviceStatus
from flotta.resources.objects.meta import MergePatch
from flotta.resources.views import Key, key_of, status_of

# From the newest EdgeDevice to its new status; an equal one is not written.
StatusChange = Callable[[EdgeDevice], EdgeDeviceStatus]


@dataclass(frozen=True)
class WrittenStatus:
    """A status that was changed: the device before, its status then, and the new one."""

    device: EdgeDevice
    old: EdgeDeviceStatus
    new: EdgeDeviceStatus


class Statuses:
    """The only writer of EdgeDevice status in the Edge API.

    Every write carries the resourceVersion it was computed from, because the operator writes
    membership into the same list.
    """

    def __init__(self, client: Client, devices: Cache[EdgeDevice]) -> None:
        self._client = client
        self._devices = devices
        self._ahead: dict[Key, EdgeDevice] = {}  # own writes newer than the last of the watch
        devices.subscribe(self._device_changed)

    def newest_device(self, key: Key) -> EdgeDevice | None:
        """Return the newest known EdgeDevice."""
        return self._ahead.get(key) or self._devices.get(*key)

    async def update(
        self, key: Key, change: StatusChange, *, reread: bool = False
    ) -> WrittenStatus | None:
        """Set the status that `change(device)` returns; None when that is the current one.

        The watch's object is compared, unless the device is to be read from the API (`reread`).
        Raises NotFound when the device is gone, Conflict after too many conflicts.
        """
        known = None if reread else self.newest_device(key)
        namespace, name = key

        async def attempt() -> WrittenStatus | None:
            nonlocal known
            device = known or await self._client.get(EDGE_DEVICE, name, namespace)
            known = None  # after a conflict the device is read again
            old = status_of(device)
            new = fit_changes(EDGE_DEVICE, old, change(device))
            if new == old:
                return None
            new = await self._write_fitting(key, device, new)
            return WrittenStatus(device, old, new)

        return await retry_on_conflict(attempt)

    async def _write_fitting(
        self, key: Key, device: EdgeDevice, new: EdgeDeviceStatus
    ) -> EdgeDeviceStatus:
        """Write the status and return it; what an earlier release stored must not prevent that."""
        try:
            await self._write(key, as_read(change_status(device, new), device))
        except Invalid:
            whole = fit_whole(EDGE_DEVICE, new)
            if whole == new:
                raise
            await self._write(key, as_read(change_status(device, whole), device))
            return whole
        return new

    async def _write(self, key: Key, patch: MergePatch) -> None:
        namespace, name = key
        try:
            result = await self._client.merge_patch(EDGE_DEVICE, name, namespace, patch, "status")
        except Conflict:
            self._ahead.pop(key, None)
            raise
        cached = self._devices.get(*key)
        if cached is not None and _version(cached) < _version(result):
            self._ahead[key] = result

    def _device_changed(self, old: EdgeDevice | None, new: EdgeDevice | None) -> None:
        device = new or old
        if device is None:
            return
        key = key_of(device)
        ahead = self._ahead.get(key)
        if ahead is not None and (new is None or _version(new) >= _version(ahead)):
            del self._ahead[key]


def _version(device: EdgeDevice) -> int:
    return int(device["metadata"]["resourceVersion"])
