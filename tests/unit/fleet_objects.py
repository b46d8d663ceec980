"""Objects for the tests of `flotta.fleet`."""

from __future__ import annotations

import base64
from typing import Any

from flotta.resources.kinds import BUCKET_CLAIM, CONFIG_MAP, EDGE_DEVICE_SET, SECRET, Kind

Object = dict[str, Any]


class Objects:
    """A Source of plain objects."""

    def __init__(self, *workloads: Object) -> None:
        self._workloads = list(workloads)
        self._others: dict[tuple[str, str, str], Object] = {}

    def workloads(self, namespace: str) -> list[Object]:
        return [item for item in self._workloads if item["metadata"]["namespace"] == namespace]

    def lookup(self, kind: Kind, namespace: str, name: str) -> Object | None:
        return self._others.get((kind.plural, namespace, name))

    def with_secret(self, name: str, **data: str) -> Objects:
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
        return self._with(SECRET, {"metadata": _metadata(name), "data": encoded})

    def with_config_map(self, name: str, **data: str) -> Objects:
        return self._with(CONFIG_MAP, {"metadata": _metadata(name), "data": data})

    def with_set(self, name: str, spec: Object) -> Objects:
        return self._with(EDGE_DEVICE_SET, {"metadata": _metadata(name), "spec": spec})

    def with_object(self, kind: Kind, namespace: str, name: str, resource: Object) -> Objects:
        self._others[kind.plural, namespace, name] = resource
        return self

    def with_claim(self, name: str, owner: str = "u-1", storage_class: str = "fast") -> Objects:
        """Add a claim that the EdgeDevice with this UID owns; it owns ConfigMap and Secret."""
        metadata = {**_metadata(name), "uid": f"claim-{name}", "ownerReferences": [{"uid": owner}]}
        spec = {"storageClassName": storage_class}
        for kind in (SECRET, CONFIG_MAP):
            if found := self.lookup(kind, "default", name):
                found["metadata"]["ownerReferences"] = [{"uid": f"claim-{name}"}]
        return self._with(BUCKET_CLAIM, {"metadata": metadata, "spec": spec})

    def _with(self, kind: Kind, resource: Object) -> Objects:
        metadata = resource["metadata"]
        self._others[kind.plural, metadata["namespace"], metadata["name"]] = resource
        return self


def device(spec: Object | None = None, status: Object | None = None, **labels: str) -> Object:
    """Return an EdgeDevice `d-17`."""
    metadata = {**_metadata("d-17"), "uid": "u-1", "labels": {"role": "till", **labels}}
    return {"metadata": metadata, "spec": spec or {}, "status": status or {}}


def workload(name: str, pod: Object | None = None, **spec: Any) -> Object:
    """Return an EdgeWorkload for devices with role=till."""
    pod_spec = pod or {"containers": [{"name": "web", "image": "localhost/web:1"}]}
    body = {"type": "pod", "deviceSelector": {"matchLabels": {"role": "till"}}}
    return {"metadata": _metadata(name), "spec": {**body, "pod": {"spec": pod_spec}, **spec}}


def container(**fields: Any) -> Object:
    """Return a PodSpec with one container."""
    return {"containers": [{"name": "web", "image": "localhost/web:1", **fields}]}


def _metadata(name: str) -> Object:
    return {"name": name, "namespace": "default", "resourceVersion": "1"}
