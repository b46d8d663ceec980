"""Rendered configurations, kept until an object they were made of changes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from flotta.edge_api.backends import Configuration
from flotta.edge_api.backends.caches import Caches
from flotta.edge_api.backends.wakeups import Wakeups
from flotta.fleet.rendering import RenderedConfiguration, render_configuration
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
from flotta.resources.views import Key, key_of

Object = dict[str, Any]
Lookup = tuple[str, str, str]  # plural, namespace, name


@dataclass(frozen=True)
class CachedConfiguration:
    """What was rendered for a device; `generation` is that of the EdgeDevice it was made of."""

    rendered: RenderedConfiguration
    generation: int | None
    configuration: Configuration
    lookups: frozenset[Lookup]


@dataclass
class _RecordingSource:
    """An ObjectSource that remembers what was looked up, found or not."""

    caches: Caches
    lookups: set[Lookup] = field(default_factory=set)

    def workloads(self, namespace: str) -> list[Object]:
        return self.caches.workloads(namespace)

    def lookup(self, kind: Kind, namespace: str, name: str) -> Object | None:
        self.lookups.add((kind.plural, namespace, name))
        return self.caches.lookup(kind, namespace, name)


class Configurations:
    """Configuration by device, rendered when it is asked for."""

    def __init__(self, caches: Caches, wakeups: Wakeups, s3_endpoint: str = "") -> None:
        self._caches = caches
        self._s3_endpoint = s3_endpoint
        self._outdated: list[Callable[[Key], None]] = [wakeups.wake]
        self._cached: dict[Key, CachedConfiguration] = {}
        self._dependents: dict[Lookup, set[Key]] = defaultdict(set)
        self._last_s3: dict[Key, S3StorageConfiguration] = {}
        caches.devices.subscribe(self._device_changed)
        caches[EDGE_WORKLOAD].subscribe(self._workload_changed)
        for kind in (SECRET, CONFIG_MAP, EDGE_DEVICE_SET, BUCKET_CLAIM, ROUTE):
            caches[kind].subscribe(self._reference_callback(kind))

    def subscribe(self, outdated: Callable[[Key], None]) -> None:
        """Call `outdated(key)` when what was rendered for a device no longer holds."""
        self._outdated.append(outdated)

    def get(self, device: Object) -> CachedConfiguration:
        """Return the newest rendering for an EdgeDevice, made now if an input changed."""
        key = key_of(device)
        cached = self._cached.get(key)
        if cached is None:
            cached = self._cached[key] = self._render(key, device)
        return cached

    def _render(self, key: Key, device: Object) -> CachedConfiguration:
        source = _RecordingSource(self._caches)
        rendered = render_configuration(device, source, self._last_s3.get(key), self._s3_endpoint)
        if rendered.s3 is not None:
            self._last_s3[key] = rendered.s3
        for lookup in source.lookups:
            self._dependents[lookup].add(key)
        generation = device["metadata"].get("generation")
        configuration = Configuration(rendered.version, encode(rendered.content))
        return CachedConfiguration(rendered, generation, configuration, frozenset(source.lookups))

    def _invalidate(self, key: Key) -> None:
        cached = self._cached.pop(key, None)
        for lookup in cached.lookups if cached else ():
            self._dependents[lookup].discard(key)
            if not self._dependents[lookup]:
                del self._dependents[lookup]
        for outdated in self._outdated:
            outdated(key)

    def _device_changed(self, old: Object | None, new: Object | None) -> None:
        if old is not None and new is not None and _device_inputs(old) == _device_inputs(new):
            return
        key = key_of(new or old or {})
        self._invalidate(key)
        if new is None:
            self._last_s3.pop(key, None)

    def _workload_changed(self, old: Object | None, new: Object | None) -> None:
        versions = [version for version in (old, new) if version is not None]
        if old and new and _workload_inputs(old) == _workload_inputs(new):
            return
        for device in self._caches.devices.list(versions[0]["metadata"]["namespace"]):
            if any(matches(version, device) for version in versions):
                self._invalidate(key_of(device))

    def _reference_callback(self, kind: Kind) -> Callable[[Object | None, Object | None], None]:
        def changed(old: Object | None, new: Object | None) -> None:
            metadata = (new or old or {})["metadata"]
            lookup = (kind.plural, metadata.get("namespace", ""), metadata["name"])
            for key in list(self._dependents.get(lookup, ())):
                self._invalidate(key)

        return changed


def _device_inputs(device: Object) -> tuple[Any, ...]:
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
