"""Rendered configurations, kept until an object they were made of changes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from flotta.edge_api.backends.backend import Configuration
from flotta.edge_api.backends.crd.caches import Caches
from flotta.edge_api.backends.crd.wakeups import Wakeups
from flotta.fleet.adoption import forgets_unresolved, is_withheld
from flotta.fleet.former_labels import selects_former, settles_at
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
    ResourceT,
)
from flotta.resources.objects.devices import EdgeDevice
from flotta.resources.objects.meta import Resource
from flotta.resources.objects.workloads import EdgeWorkload
from flotta.resources.views import (
    Key,
    is_being_deleted,
    key_of,
    name_of,
    namespace_of,
    status_of,
    uid_of,
)

# Kinds of which a rendering looks up single objects.
REFERENCED: tuple[Kind[Resource], ...] = (
    *(SECRET, CONFIG_MAP, EDGE_DEVICE_SET, BUCKET_CLAIM, ROUTE),
)


class Lookup(NamedTuple):
    """An object that was looked up."""

    plural: str  # of its kind
    namespace: str
    name: str


@dataclass(frozen=True)
class CachedConfiguration:
    """A rendered configuration; `generation` is that of the EdgeDevice it was rendered from."""

    rendered: RenderedConfiguration
    generation: int | None
    configuration: Configuration
    lookups: frozenset[Lookup]


@dataclass
class _RecordingSource:
    """An ObjectSource that records what was looked up, found or not."""

    caches: Caches
    lookups: set[Lookup] = field(default_factory=set)

    def workloads(self, namespace: str) -> list[EdgeWorkload]:
        """Return the EdgeWorkloads of a namespace."""
        return self.caches.workloads(namespace)

    def lookup(self, kind: Kind[ResourceT], namespace: str, name: str) -> ResourceT | None:
        """Return one object, None when it does not exist."""
        self.lookups.add(Lookup(kind.plural, namespace, name))
        return self.caches.lookup(kind, namespace, name)


class Configurations:
    """Configurations by device, rendered when they are needed."""

    def __init__(
        self,
        caches: Caches,
        wakeups: Wakeups,
        s3_endpoint: str = "",
    ) -> None:
        self._caches = caches
        self._s3_endpoint = s3_endpoint
        self._outdated: list[Callable[[Key], None]] = [wakeups.wake]
        self._cached: dict[Key, CachedConfiguration] = {}
        self._dependents: dict[Lookup, set[Key]] = defaultdict(set)
        self._last_s3: dict[Key, S3StorageConfiguration] = {}
        caches.devices.subscribe(self._device_changed)
        caches.of(EDGE_WORKLOAD).subscribe(self._workload_changed)
        for kind in REFERENCED:
            caches.of(kind).subscribe(self._reference_callback(kind))

    def subscribe(self, outdated: Callable[[Key], None]) -> None:
        """Call `outdated(key)` when the rendered configuration of a device is out of date."""
        self._outdated.append(outdated)

    def get(self, device: EdgeDevice) -> CachedConfiguration:
        """Return the newest rendering for an EdgeDevice, made now if an input changed.

        What the caller read may be older than the cache, and a rendering is kept.
        """
        key = key_of(device)
        cached = self._cached.get(key)
        if cached is None:
            newest = self._caches.devices.get(*key) or device
            cached = self._cached[key] = self._render(key, newest)
        return cached

    def _render(self, key: Key, device: EdgeDevice) -> CachedConfiguration:
        source = _RecordingSource(self._caches)
        rendered = render_configuration(device, source, self._last_s3.get(key), self._s3_endpoint)
        if rendered.s3 is not None:
            self._last_s3[key] = rendered.s3
        elif not rendered.storage_unresolved:
            self._last_s3.pop(key, None)  # keys that were taken away must not come back later
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

    def _device_changed(self, old: EdgeDevice | None, new: EdgeDevice | None) -> None:
        device = new or old
        if device is None or (old and new and _device_inputs(old) == _device_inputs(new)):
            return
        key = key_of(device)
        self._invalidate(key)
        if new is None or (old and uid_of(old) != uid_of(new)):
            self._last_s3.pop(key, None)

    def _workload_changed(self, old: EdgeWorkload | None, new: EdgeWorkload | None) -> None:
        if old and new and _workload_inputs(old) == _workload_inputs(new):
            return
        versions = [version for version in (old, new) if version is not None]
        for device in self._caches.devices.list(namespace_of(versions[0])):
            if any(matches(item, device) or selects_former(item, device) for item in versions):
                self._invalidate(key_of(device))

    def _reference_callback(
        self, kind: Kind[Resource]
    ) -> Callable[[Resource | None, Resource | None], None]:
        def changed(old: Resource | None, new: Resource | None) -> None:
            resource = new or old
            if resource is None:
                return
            lookup = Lookup(kind.plural, namespace_of(resource), name_of(resource))
            for key in list(self._dependents.get(lookup, ())):
                self._invalidate(key)

        return changed


def _device_inputs(device: EdgeDevice) -> tuple[object, ...]:
    """Return the parts of an EdgeDevice that a configuration and its delivery depend on."""
    return (
        uid_of(device),
        is_being_deleted(device),
        is_withheld(device),
        device["metadata"].get("labels"),
        settles_at(device),
        device.get("spec"),
        status_of(device).get("dataObc"),
        forgets_unresolved(device),
    )


def _workload_inputs(workload: EdgeWorkload) -> tuple[object, ...]:
    """Return the parts of an EdgeWorkload that configurations depend on."""
    return (
        is_being_deleted(workload),
        workload["metadata"].get("labels"),
        workload["metadata"].get("annotations"),
        workload.get("spec"),
    )
