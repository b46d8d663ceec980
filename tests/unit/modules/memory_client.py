"""A resource API in memory, for modules that would connect to a real one."""

from __future__ import annotations

from typing import Any

from ansible_collections.flotta.edge.plugins.module_utils._flotta.merge_patch import (
    apply_merge_patch,
)
from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.errors import (
    Conflict,
    NotFound,
)
from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.kinds import Kind

Object = dict[str, Any]


class MemoryClient:
    """What modules ask of a client. It notes each write; the objects are given as they are."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str, str], Object] = {}
        self.writes: list[str] = []
        self.defaults: Object = {}  # of fields of a specification that is written

    async def connect(self, kubeconfig: str | None, context: str | None) -> MemoryClient:
        return self

    async def close(self) -> None:
        pass

    def have(self, kind: Kind, name: str, namespace: str = "default", **content: Any) -> Object:
        """Put an object there."""
        known = {"name": name, "namespace": namespace, "uid": f"uid-{name}", "resourceVersion": "1"}
        metadata = {**known, **content.pop("metadata", {})}
        obj = self.objects[kind.kind, namespace, name] = {"metadata": metadata, **content}
        return obj

    async def get(self, kind: Kind, name: str, namespace: str) -> Object:
        try:
            return self.objects[kind.kind, namespace, name]
        except KeyError:
            raise NotFound(404, "NotFound", f"{name} not found") from None

    async def get_or_none(self, kind: Kind, name: str, namespace: str = "") -> Object | None:
        return self.objects.get((kind.kind, namespace, name))

    async def list(
        self,
        kind: Kind,
        namespace: str | None = None,
        label_selector: str | None = None,
        field_selector: str | None = None,
    ) -> list[Object]:
        """`label_selector` may name one label, with its value or without."""
        label, _, value = (label_selector or "").partition("=")
        fields = [part.partition("=") for part in (field_selector or "").split(",") if part]
        return [
            obj
            for (of, place, _), obj in self.objects.items()
            if of == kind.kind
            and namespace in (None, place)
            and (not label or has_label(obj, label, value))
            and all(field_of(obj, path) == wanted for path, _, wanted in fields)
        ]

    async def create(self, kind: Kind, obj: Object, *, dry_run: bool = False) -> Object:
        metadata = obj["metadata"]
        if dry_run:
            return self.with_defaults(obj)
        self.writes.append("create")
        content = {
            key: value for key, value in self.with_defaults(obj).items() if key != "metadata"
        }
        return self.have(
            kind, metadata["name"], metadata["namespace"], metadata=metadata, **content
        )

    async def replace(self, kind: Kind, obj: Object, *, dry_run: bool = False) -> Object:
        metadata, stored = obj["metadata"], self.with_defaults(obj)
        if not dry_run:
            self.writes.append("replace")
            self.objects[kind.kind, metadata["namespace"], metadata["name"]] = stored
        return stored

    def with_defaults(self, obj: Object) -> Object:
        return {**obj, "spec": {**self.defaults, **obj["spec"]}} if self.defaults else obj

    async def merge_patch(
        self, kind: Kind, name: str, namespace: str, patch: Object, *, dry_run: bool = False
    ) -> Object:
        obj = await self.get(kind, name, namespace)
        version = obj["metadata"]["resourceVersion"]
        if patch.get("metadata", {}).get("resourceVersion") not in (None, version):
            raise Conflict(409, "Conflict", f"{name} was changed")
        merged: Object = apply_merge_patch(obj, patch)
        if not dry_run:
            self.writes.append("patch")
            merged["metadata"]["resourceVersion"] = str(int(version) + 1)
            self.objects[kind.kind, namespace, name] = merged
        return merged

    async def delete(
        self,
        kind: Kind,
        name: str,
        namespace: str,
        *,
        uid: str | None = None,
        resource_version: str | None = None,
    ) -> None:
        self.writes.append("delete")
        del self.objects[kind.kind, namespace, name]


def has_label(obj: Object, label: str, value: str) -> bool:
    """Tell whether an object has a label, with this value unless that is empty."""
    found = obj["metadata"].get("labels", {}).get(label)
    return found is not None and value in ("", found)


def field_of(obj: Object, path: str) -> Any:
    """Return a field of an object by its path, such as `involvedObject.name`."""
    for step in path.split("."):
        obj = obj.get(step) or {}
    return obj
