"""The list+watch caches of the operator, and which objects a change in one of them concerns."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from flotta.fleet.selection import matches
from flotta.operator.devices import set_name
from flotta.operator.membership import is_listed, workload_statuses
from flotta.operator.workload_status import is_ready, is_silent
from flotta.resources.cache import Cache
from flotta.resources.client import Client
from flotta.resources.conditions import DISCONNECTED
from flotta.resources.kinds import (
    BUCKET_CLAIM,
    EDGE_DEVICE,
    EDGE_DEVICE_SET,
    EDGE_WORKLOAD,
    SIGNED_REQUEST,
)
from flotta.resources.views import Key, key_of

Object = dict[str, Any]


class Caches:
    """The caches of all kinds that the controllers read."""

    def __init__(self, client: Client) -> None:
        self.devices = Cache(client, EDGE_DEVICE)
        self.workloads = Cache(client, EDGE_WORKLOAD)
        self.sets = Cache(client, EDGE_DEVICE_SET)
        self.requests = Cache(client, SIGNED_REQUEST)
        self.claims = Cache(client, BUCKET_CLAIM)

    @property
    def all(self) -> tuple[Cache, ...]:
        return self.devices, self.workloads, self.sets, self.requests, self.claims

    @property
    def synced(self) -> bool:
        return all(cache.synced for cache in self.all)

    async def wait_synced(self) -> None:
        await asyncio.gather(*(cache.wait_synced() for cache in self.all))

    def set_in_force(self, device: Object) -> Object | None:
        """Return the EdgeDeviceSet that is in force for the device."""
        name = set_name(device)
        return self.sets.get(device["metadata"]["namespace"], name) if name else None

    def members_of(self, namespace: str, name: str) -> list[Object]:
        """Return the devices of a set that are not being deleted."""
        return [
            device
            for device in self.devices.list(namespace)
            if set_name(device) == name and not device["metadata"].get("deletionTimestamp")
        ]

    def affected_devices(self, old: Object | None, new: Object | None) -> Iterable[Key]:
        """Yield the devices whose membership a change of a workload puts in question."""
        workload = new or old
        if workload is None or _target_fields(old) == _target_fields(new):
            return
        name, namespace = workload["metadata"]["name"], workload["metadata"]["namespace"]
        for device in self.devices.list(namespace):
            belongs = new is not None and matches(new, device)
            if belongs != is_listed(device, name) or old is None:
                yield key_of(device)

    def affected_workloads(self, old: Object | None, new: Object | None) -> set[Key]:
        """Return the workloads whose counts a change of a device may alter."""
        names = set(_workload_reports(old).items()) ^ set(_workload_reports(new).items())
        device = new or old
        if device is None:
            return set()
        namespace = device["metadata"]["namespace"]
        keys = {(namespace, name) for name, _ in names}
        if _matched_fields(old) == _matched_fields(new):
            return keys
        for workload in self.workloads.list(namespace):
            if any(side and matches(workload, side) for side in (old, new)):
                keys.add(key_of(workload))
        return keys

    def affected_sets(self, old: Object | None, new: Object | None) -> set[Key]:
        """Return the sets whose counts a change of a device may alter."""
        if _set_fields(old) == _set_fields(new):
            return set()
        sides = (side for side in (old, new) if side)
        return {(key_of(side)[0], name) for side in sides if (name := set_name(side))}


def plan_inputs(device: Object | None) -> object:
    """Return what of a device its own plan depends on; heartbeats leave it equal."""
    if device is None:
        return None
    metadata, status = device["metadata"], device.get("status") or {}
    conditions = status.get("conditions") or []
    return (
        metadata["uid"],
        metadata.get("generation"),
        metadata.get("deletionTimestamp"),
        metadata.get("labels"),
        metadata.get("finalizers"),
        [entry["name"] for entry in status.get("workloads") or []],
        status.get("dataObc"),
        [item["status"] for item in conditions if item["type"] == DISCONNECTED],
    )


def _target_fields(workload: Object | None) -> object:
    """Return what of a workload decides where it runs."""
    if workload is None:
        return None
    spec, metadata = workload.get("spec") or {}, workload["metadata"]
    deleted = metadata.get("deletionTimestamp")
    return metadata["uid"], spec.get("device"), spec.get("deviceSelector"), deleted


def _matched_fields(device: Object | None) -> object:
    """Return what of a device decides what runs on it."""
    if device is None:
        return None
    metadata = device["metadata"]
    return metadata["uid"], metadata.get("labels"), metadata.get("deletionTimestamp")


def _set_fields(device: Object | None) -> object:
    """Return what of a device the counts of its set depend on."""
    if device is None:
        return None
    deleted = device["metadata"].get("deletionTimestamp")
    return device["metadata"]["uid"], set_name(device), is_ready(device), deleted


def _workload_reports(device: Object | None) -> dict[str, tuple[Any, ...]]:
    """Return what of a device the counts of each of its workloads depend on."""
    if device is None:
        return {}
    silent, fields = is_silent(device), ("phase", "reason", "message")
    return {entry["name"]: (silent, *map(entry.get, fields)) for entry in workload_statuses(device)}
