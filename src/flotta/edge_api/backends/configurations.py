"""Rendered configurations, kept until an object they were made of changes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from flotta.fleet.rendering import Rendered, render
from flotta.fleet.selection import matches
from flotta.protocol.envelope import encode
from flotta.protocol.models import S3StorageConfiguration
from flotta.resources.kinds import (
    BUCKET_CLAIM,
    CONFIG_MAP,
    EDGE_DEVICE_SET,
    EDGE_WORKLOAD,
    ROUTE,
    SECRET,
    Kind,
)

from . import Configuration
from .fleet_cache import FleetCache
from .wakeups import Key, Wakeups

Object = dict[str, Any]
Lookup = tuple[str, str, str]  # plural, namespace, name


@dataclass(frozen=True)
class Entry:
    """What was rendered for a device; `generation` is that of the EdgeDevice it was made of."""

    rendered: Rendered
    generation: int | None
    configuration: Configuration
    lookups: frozenset[Lookup]


@dataclass
class _Recorder:
    """A Source that remembers what was looked up, found or not."""

    fleet: FleetCache
    lookups: set[Lookup] = field(default_factory=set)

    def workloads(self, namespace: str) -> list[Object]:
        return self.fleet.workloads(namespace)

    def lookup(self, kind: Kind, namespace: str, name: str) -> Object | None:
        self.lookups.add((kind.plural, namespace, name))
        return self.fleet.lookup(kind, namespace, name)


class Configurations:
    """Configuration by device, rendered when it is asked for."""

    def __init__(self, fleet: FleetCache, wakeups: Wakeups, s3_endpoint: str = "") -> None:
        self._fleet = fleet
        self._s3_endpoint = s3_endpoint
        self._outdated: list[Callable[[Key], None]] = [wakeups.wake]
        self._entries: dict[Key, Entry] = {}
        self._dependents: dict[Lookup, set[Key]] = defaultdict(set)
        self._last_s3: dict[Key, S3StorageConfiguration] = {}
        fleet.devices.subscribe(self._device_changed)
        fleet[EDGE_WORKLOAD].subscribe(self._workload_changed)
        for kind in (SECRET, CONFIG_MAP, EDGE_DEVICE_SET, BUCKET_CLAIM, ROUTE):
            fleet[kind].subscribe(self._reference_changed(kind))

    def subscribe(self, outdated: Callable[[Key], None]) -> None:
        """Call `outdated(key)` when what was rendered for a device no longer holds."""
        self._outdated.append(outdated)

    def entry(self, device: Object) -> Entry:
        """Return the newest rendering for an EdgeDevice, made now if an input changed."""
        key = key_of(device)
        entry = self._entries.get(key)
        if entry is None:
            entry = self._entries[key] = self._render(key, device)
        return entry

    def _render(self, key: Key, device: Object) -> Entry:
        recorder = _Recorder(self._fleet)
        rendered = render(device, recorder, self._last_s3.get(key), self._s3_endpoint)
        if rendered.s3 is not None:
            self._last_s3[key] = rendered.s3
        for lookup in recorder.lookups:
            self._dependents[lookup].add(key)
        generation = device["metadata"].get("generation")
        configuration = Configuration(rendered.version, encode(rendered.content))
        return Entry(rendered, generation, configuration, frozenset(recorder.lookups))

    def _invalidate(self, key: Key) -> None:
        entry = self._entries.pop(key, None)
        for lookup in entry.lookups if entry else ():
            self._dependents[lookup].discard(key)
            if not self._dependents[lookup]:
                del self._dependents[lookup]
        for outdated in self._outdated:
            outdated(key)

    def _device_changed(self, old: Object | None, new: Object | None) -> None:
        if old is not None and new is not None and _inputs(old) == _inputs(new):
            return
        key = key_of(new or old or {})
        self._invalidate(key)
        if new is None:
            self._last_s3.pop(key, None)

    def _workload_changed(self, old: Object | None, new: Object | None) -> None:
        versions = [one for one in (old, new) if one is not None]
        if old and new and _workload_inputs(old) == _workload_inputs(new):
            return
        for device in self._fleet.devices.list(versions[0]["metadata"]["namespace"]):
            if any(matches(one, device) for one in versions):
                self._invalidate(key_of(device))

    def _reference_changed(self, kind: Kind) -> Callable[[Object | None, Object | None], None]:
        def changed(old: Object | None, new: Object | None) -> None:
            metadata = (new or old or {})["metadata"]
            lookup = (kind.plural, metadata.get("namespace", ""), metadata["name"])
            for key in list(self._dependents.get(lookup, ())):
                self._invalidate(key)

        return changed


def key_of(device: Object) -> Key:
    """Return namespace and name of an object."""
    metadata = device["metadata"]
    return metadata.get("namespace", ""), metadata["name"]


def _inputs(device: Object) -> tuple[Any, ...]:
    """Return what of an EdgeDevice a configuration and its delivery depend on."""
    metadata = device["metadata"]
    return (
        metadata["uid"],
        bool(metadata.get("deletionTimestamp")),
        metadata.get("labels"),
        device.get("spec"),
        (device.get("status") or {}).get("dataObc"),
    )


def _workload_inputs(workload: Object) -> tuple[Any, ...]:
    metadata = workload["metadata"]
    return (
        bool(metadata.get("deletionTimestamp")),
        metadata.get("labels"),
        metadata.get("annotations"),
        workload.get("spec"),
    )
