"""What all writes share: the endpoint, the result, and how states of an object compare."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from flotta.apiserver.errors import bad_request, not_found
from flotta.apiserver.json_object import JsonObject
from flotta.apiserver.objects.admission import apply_field_validation, describe_field_problems
from flotta.apiserver.objects.options import WriteOptions
from flotta.apiserver.registry import Registry, ServedResource
from flotta.apiserver.storage.store import ObjectTooLargeError, Store
from flotta.apiserver.storage.watch_cache import ObjectKey, ObjectRecord


@dataclass(frozen=True)
class Objects:
    """The store and the registry, which all reads and writes of objects need."""

    store: Store
    registry: Registry


@dataclass(frozen=True)
class Endpoint:
    """The addressed resource, namespace, name ("" on a collection) and subresource."""

    resource: ServedResource
    namespace: str
    name: str = ""
    subresource: str = ""

    @property
    def key(self) -> ObjectKey:
        """The key of the object in the store."""
        return ObjectKey(self.resource.qualified, self.namespace, self.name)

    def not_found(self) -> Exception:
        """Return the 404 for an object that does not exist."""
        return not_found(self.resource.plural, self.resource.group, self.name)


@dataclass(frozen=True)
class WriteResult:
    """The result of a write."""

    obj: JsonObject
    created: bool = False
    warnings: list[str] = field(default_factory=list)


def require_record(objects: Objects, endpoint: Endpoint) -> ObjectRecord:
    """Return the newest state of an object. Raises a 404 StatusError."""
    record = objects.store.newest(endpoint.key)
    if record is None:
        raise endpoint.not_found()
    return record


def check_name(body: JsonObject, endpoint: Endpoint) -> None:
    """Refuse a body with another name than the URL, before anything is looked up."""
    meta = body.get("metadata")
    name = meta.get("name") if isinstance(meta, dict) else None
    if isinstance(name, str) and name not in ("", endpoint.name):
        raise bad_request(
            f"the name of the object ({name}) does not match the name on the URL ({endpoint.name})"
        )


def make_field_policy(
    options: WriteOptions,
    unknown: list[str],
    duplicates: list[str],
    *,
    patch: bool,
) -> Callable[[list[str]], list[str]]:
    """Return what handles unknown fields, those of the metadata included, and duplicate ones."""

    def field_policy(pruned: list[str]) -> list[str]:
        problems = describe_field_problems([*unknown, *pruned], duplicates)
        return apply_field_validation(problems, options, patch=patch)

    return field_policy


async def put_object(objects: Objects, key: ObjectKey, obj: JsonObject) -> None:
    """Store an object. As in Kubernetes, one that is too large is tried without managedFields.

    Raises ObjectTooLargeError and StorageFailure.
    """
    try:
        await objects.store.put(key, obj)
    except ObjectTooLargeError:
        if obj["metadata"].pop("managedFields", None) is None:
            raise
        await objects.store.put(key, obj)


def is_same_state(obj: JsonObject, old: JsonObject) -> bool:
    """Tell whether nothing changed. Times in managedFields never change alone."""
    if obj != old:
        return False
    # In Python 1, 1.0 and True are equal, in JSON they are not.
    return msgspec.json.encode(obj, order="deterministic") == msgspec.json.encode(
        old, order="deterministic"
    )


def changes_generation(obj: JsonObject, old: JsonObject, resource: ServedResource) -> bool:
    """Tell whether an update changes the generation: anything but metadata and status does."""
    ignored = {"metadata", "status"} if resource.status else {"metadata"}
    return {key: value for key, value in obj.items() if key not in ignored} != {
        key: value for key, value in old.items() if key not in ignored
    }


def is_finished(obj: JsonObject) -> bool:
    """Tell whether an object is being deleted and has no finalizers left."""
    meta = obj["metadata"]
    held = bool(meta.get("finalizers")) or bool((obj.get("spec") or {}).get("finalizers"))
    return "deletionTimestamp" in meta and not (
        held if obj["kind"] == "Namespace" else meta.get("finalizers")
    )
