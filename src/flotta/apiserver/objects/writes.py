"""Create, update and patch: the semantics, without HTTP."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from flotta.apiserver.errors import (
    already_exists,
    bad_request,
    conflict,
    describe_mismatch,
    forbidden,
    internal,
    invalid,
    invalid_value,
    not_found,
)
from flotta.apiserver.json_object import JsonObject
from flotta.apiserver.names import generate_name
from flotta.apiserver.objects import managed_fields
from flotta.apiserver.objects.admission import (
    admit_object,
    apply_field_validation,
    check_head,
    check_location,
    describe_field_problems,
    find_warnings,
)
from flotta.apiserver.objects.bodies import DecodedBody
from flotta.apiserver.objects.metadata import decode_metadata, prepare_new, prepare_update
from flotta.apiserver.objects.options import WriteOptions
from flotta.apiserver.registry import Registry, Resource
from flotta.apiserver.storage.store import Store
from flotta.apiserver.storage.watch_cache import ObjectKey, ObjectRecord

TrackOwners = Callable[[JsonObject, JsonObject], None]

MAX_ATTEMPTS = 5  # names generated for one object; Kubernetes tries again as well (KEP-4420)


@dataclass(frozen=True)
class Objects:
    """Everything that reading and writing objects needs."""

    store: Store
    registry: Registry


@dataclass(frozen=True)
class Endpoint:
    """The addressed resource, namespace, name ("" on a collection) and subresource."""

    resource: Resource
    namespace: str
    name: str = ""
    subresource: str = ""

    @property
    def key(self) -> ObjectKey:
        """Where the object is in the store."""
        return ObjectKey(self.resource.qualified, self.namespace, self.name)

    def not_found(self) -> Exception:
        """Return the 404 for an object that is not there."""
        return not_found(self.resource.plural, self.resource.group, self.name)


@dataclass(frozen=True)
class WriteResult:
    """What a write did."""

    obj: JsonObject
    created: bool = False
    warnings: list[str] = field(default_factory=list)


def require_record(objects: Objects, endpoint: Endpoint) -> ObjectRecord:
    """Return the newest state of an object, or a 404 StatusError."""
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


# Create


async def create_object(
    objects: Objects,
    endpoint: Endpoint,
    body: DecodedBody,
    options: WriteOptions,
    *,
    operation: str = "Update",
) -> WriteResult:
    """Create an object from a decoded body."""
    obj, resource = body.value, endpoint.resource
    unknown = _check_new(objects, endpoint, obj)
    generated = not obj["metadata"].get("name")
    prepare_new(obj, resource)
    field_policy = _field_policy(options, unknown, body.duplicates, patch=False)
    obj, warnings = admit_object(obj, resource, None, field_policy=field_policy)
    key = _free_key(objects, endpoint, obj, generated=generated)
    sent = body.value if operation == "Apply" else obj
    managed_fields.track_create(obj, sent, resource, options.manager, operation)
    warnings += find_warnings(obj, resource)
    if not options.dry_run:
        await objects.store.put(key, obj)
    return WriteResult(obj, created=True, warnings=warnings)


def _check_new(objects: Objects, endpoint: Endpoint, obj: JsonObject) -> list[str]:
    """Check where a body may go and drop what it may not set; returns unknown metadata fields."""
    resource = endpoint.resource
    check_head(obj, resource, objects.registry)
    unknown = decode_metadata(obj)
    check_location(obj, endpoint.namespace, "")
    _check_namespace(objects, endpoint, obj["metadata"].get("name", ""))
    if resource.status and resource.custom:
        obj.pop("status", None)
    obj["metadata"].pop("managedFields", None)
    return unknown


def _field_policy(
    options: WriteOptions,
    unknown: list[str],
    duplicates: list[str],
    *,
    patch: bool,
) -> Callable[[list[str]], list[str]]:
    """Return what is done about unknown fields, of the metadata too, and about duplicate ones."""

    def field_policy(pruned: list[str]) -> list[str]:
        problems = describe_field_problems([*unknown, *pruned], duplicates)
        return apply_field_validation(problems, options, patch=patch)

    return field_policy


def _free_key(
    objects: Objects, endpoint: Endpoint, obj: JsonObject, *, generated: bool
) -> ObjectKey:
    """Return the key of a new object; a generated name that is taken is drawn again a few times."""
    meta, resource = obj["metadata"], endpoint.resource
    for _ in range(MAX_ATTEMPTS if generated else 1):
        key = ObjectKey(resource.qualified, endpoint.namespace, meta["name"])
        present = objects.store.newest(key)
        if present is None:
            return key
        if generated:
            meta["name"] = generate_name(meta["generateName"])
    deleting = present is not None and "deletionTimestamp" in present.load()["metadata"]
    raise already_exists(resource.plural, resource.group, key.name, deleting=deleting)


def _check_namespace(objects: Objects, endpoint: Endpoint, name: str) -> None:
    if not endpoint.resource.namespaced:
        return
    namespaces = objects.registry.namespaces
    record = objects.store.newest(ObjectKey(namespaces.qualified, "", endpoint.namespace))
    if record is None:
        raise not_found("namespaces", "", endpoint.namespace)
    if "deletionTimestamp" not in record.load()["metadata"]:
        return
    error = forbidden(
        endpoint.resource.plural,
        endpoint.resource.group,
        name,
        f"unable to create new content in namespace {endpoint.namespace} "
        "because it is being terminated",
    )
    cause = {
        "reason": "NamespaceTerminating",
        "message": f"namespace {endpoint.namespace} is being terminated",
        "field": "metadata.namespace",
    }
    error.details = {**(error.details or {}), "causes": [cause]}
    raise error


# Update


@dataclass(frozen=True)
class RequestedChange:
    """What an update wants: the new object (body of a PUT, result of a patch) and its kind.

    `track` notes the owners of fields when that is not the ordinary way (server-side apply).
    """

    obj: JsonObject
    duplicates: list[str] = field(default_factory=list)
    patch: bool = False
    track: TrackOwners | None = None


async def update_object(
    objects: Objects,
    endpoint: Endpoint,
    propose: Callable[[JsonObject], RequestedChange],
    options: WriteOptions,
) -> WriteResult:
    """Change an existing object; `propose` gets a copy of its newest state."""
    record = require_record(objects, endpoint)
    old = record.load()
    change = propose(record.load())
    resource = endpoint.resource
    unknown = _check_change(objects, endpoint, change, old)
    track = change.track or _owner_tracker(change, old, endpoint, options)
    obj = keep_other_parts(change.obj, old, endpoint)
    causes = prepare_update(obj, old, resource, patch=change.patch)
    field_policy = _field_policy(options, unknown, change.duplicates, patch=change.patch)
    obj, warnings = admit_object(obj, resource, old, causes, endpoint.subresource, field_policy)
    track(obj, old)
    warnings += find_warnings(obj, resource)
    stored = await _store_update(objects, endpoint, obj, old, dry_run=options.dry_run)
    return WriteResult(stored, warnings=warnings)


def _check_change(
    objects: Objects, endpoint: Endpoint, change: RequestedChange, old: JsonObject
) -> list[str]:
    """Check that a change is of this object in this version; returns unknown metadata fields."""
    check_head(change.obj, endpoint.resource, objects.registry, patch=change.patch)
    unknown = decode_metadata(change.obj)
    check_location(change.obj, endpoint.namespace, endpoint.name)
    _check_version(change.obj, old, endpoint, change)
    return unknown


def _owner_tracker(
    change: RequestedChange, old: JsonObject, endpoint: Endpoint, options: WriteOptions
) -> TrackOwners:
    """Note the owners: a PUT without any keeps them, a patch may clear or replace them."""
    given = change.obj["metadata"].get("managedFields")
    source = old if given is None and not change.patch else change.obj
    entries = managed_fields.read_entries(source["metadata"])
    writer = managed_fields.Owner(options.manager, "Update", endpoint.subresource)

    def track(obj: JsonObject, old: JsonObject) -> None:
        managed_fields.track_update(obj, old, entries, writer, endpoint.resource)

    return track


def _check_version(
    obj: JsonObject, old: JsonObject, endpoint: Endpoint, change: RequestedChange
) -> None:
    """Compare the resourceVersion that the client built on with the stored one."""
    resource, meta = endpoint.resource, obj["metadata"]
    given = meta.get("resourceVersion", "")
    if given and not given.isdigit():
        # A 500 there too: its storage layer finds out, and nothing makes it the client's mistake.
        raise internal(describe_mismatch("metadata.resourceVersion", given, "a whole number"))
    # A PUT of a custom resource must say what it builds on; of a core kind, without a version, it
    # overwrites (AllowUnconditionalUpdate in Kubernetes' registries).
    if given in ("", "0"):
        if resource.custom and not (change.patch and given == ""):
            cause = invalid_value("metadata.resourceVersion", 0, "must be specified for an update")
            raise invalid(resource.plural, resource.group, endpoint.name, [cause])
        given = old["metadata"]["resourceVersion"]
    if given != old["metadata"]["resourceVersion"]:
        raise conflict(resource.plural, resource.group, endpoint.name)
    meta["resourceVersion"] = given


def keep_other_parts(obj: JsonObject, old: JsonObject, endpoint: Endpoint) -> JsonObject:
    """Keep what the addressed endpoint may not change as it was."""
    if endpoint.subresource:
        field_name = "status" if endpoint.subresource == "status" else "spec"
        meta = {**old["metadata"], "resourceVersion": obj["metadata"]["resourceVersion"]}
        meta["uid"] = obj["metadata"].get("uid", meta["uid"])
        kept = {**old, "metadata": meta}
        return _with_field(kept, field_name, obj)
    if endpoint.resource.plural == "namespaces":
        obj = _with_field(obj, "spec", old)
    return _with_field(obj, "status", old) if endpoint.resource.status else obj


def _with_field(obj: JsonObject, name: str, source: JsonObject) -> JsonObject:
    rest = {key: value for key, value in obj.items() if key != name}
    return {**rest, name: source[name]} if name in source else rest


async def _store_update(
    objects: Objects, endpoint: Endpoint, obj: JsonObject, old: JsonObject, *, dry_run: bool
) -> JsonObject:
    """Store a change, if it is one; an object that only waited for its finalizers goes."""
    # Kubernetes writes nothing either: no new version, and watches stay quiet.
    if is_same_state(obj, old):
        await objects.store.wait_durable(endpoint.key)
        return old
    if endpoint.resource.custom and changes_generation(obj, old, endpoint.resource):
        obj["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1
    if dry_run:
        return obj
    if is_finished(obj):
        last: JsonObject = msgspec.json.decode(msgspec.json.encode(obj))
        await objects.store.remove(endpoint.key, old)
        return last
    await objects.store.put(endpoint.key, obj)
    return obj


def is_same_state(obj: JsonObject, old: JsonObject) -> bool:
    """Tell whether nothing changed. Times in managedFields never differ alone."""
    if obj != old:
        return False
    # Python takes 1, 1.0 and True for equal, JSON does not.
    return msgspec.json.encode(obj, order="deterministic") == msgspec.json.encode(
        old, order="deterministic"
    )


def changes_generation(obj: JsonObject, old: JsonObject, resource: Resource) -> bool:
    """Tell whether an update changes what a generation counts: all but metadata and status."""
    ignored = {"metadata", "status"} if resource.status else {"metadata"}
    return {key: value for key, value in obj.items() if key not in ignored} != {
        key: value for key, value in old.items() if key not in ignored
    }


def is_finished(obj: JsonObject) -> bool:
    """Tell whether an object is being deleted and nothing holds it any more."""
    meta = obj["metadata"]
    held = bool(meta.get("finalizers")) or bool((obj.get("spec") or {}).get("finalizers"))
    return "deletionTimestamp" in meta and not (
        held if obj["kind"] == "Namespace" else meta.get("finalizers")
    )
