"""Create, update and patch: the semantics, without HTTP."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from flotta.apiserver import managed_fields
from flotta.apiserver.admission import (
    admit,
    check_head,
    check_place,
    field_problems,
    judge_fields,
    object_warnings,
)
from flotta.apiserver.errors import (
    already_exists,
    bad_request,
    conflict,
    forbidden,
    internal,
    invalid,
    invalid_value,
    not_found,
)
from flotta.apiserver.journal import Key
from flotta.apiserver.metadata import decode_metadata, prepare_new, prepare_update
from flotta.apiserver.names import generate_name

if TYPE_CHECKING:
    from flotta.apiserver.bodies import Decoded
    from flotta.apiserver.journal import Record
    from flotta.apiserver.options import WriteOptions
    from flotta.apiserver.registry import Registry, Resource
    from flotta.apiserver.store import Store

JsonObject = dict[str, Any]
Track = Callable[[JsonObject, JsonObject], None]

NAME_ATTEMPTS = 5


@dataclass(frozen=True)
class Objects:
    """Everything that reading and writing objects needs."""

    store: Store
    registry: Registry


@dataclass(frozen=True)
class Place:
    """The addressed resource, namespace, name ("" on a collection) and subresource."""

    resource: Resource
    namespace: str
    name: str = ""
    subresource: str = ""

    @property
    def key(self) -> Key:
        return Key(self.resource.qualified, self.namespace, self.name)

    def missing(self) -> Exception:
        return not_found(self.resource.plural, self.resource.group, self.name)


@dataclass(frozen=True)
class Outcome:
    """The answer of a write."""

    obj: JsonObject
    created: bool = False
    warnings: list[str] = field(default_factory=list)


def require(objects: Objects, place: Place) -> Record:
    """The newest state of an object, or a 404 Refusal."""
    record = objects.store.newest(place.key)
    if record is None:
        raise place.missing()
    return record


def check_name(body: JsonObject, place: Place) -> None:
    """Refuse a body with another name than the URL, before anything is looked up."""
    meta = body.get("metadata")
    name = meta.get("name") if isinstance(meta, dict) else None
    if isinstance(name, str) and name not in ("", place.name):
        raise bad_request(
            f"the name of the object ({name}) does not match the name on the URL ({place.name})"
        )


# Create


async def create(
    objects: Objects,
    place: Place,
    body: Decoded,
    options: WriteOptions,
    *,
    operation: str = "Update",
) -> Outcome:
    """Create an object from a decoded body."""
    obj, resource = body.value, place.resource
    unknown = _check_new(objects, place, obj)
    generated = not obj["metadata"].get("name")
    prepare_new(obj, resource)
    judge = _judge(obj, resource, options, unknown, body.duplicates, patch=False)
    obj, warnings = admit(obj, resource, None, judge=judge)
    key = _free_key(objects, place, obj, generated=generated)
    sent = body.value if operation == "Apply" else obj
    managed_fields.track_create(obj, sent, resource, options.manager, operation)
    warnings += object_warnings(obj, resource)
    if not options.dry_run:
        await objects.store.put(key, obj)
    return Outcome(obj, created=True, warnings=warnings)


def _check_new(objects: Objects, place: Place, obj: JsonObject) -> list[str]:
    """Check where a body may go and drop what it may not set; returns unknown metadata fields."""
    resource = place.resource
    check_head(obj, resource, objects.registry)
    unknown = decode_metadata(obj)
    check_place(obj, place.namespace, "")
    _check_namespace(objects, place, obj["metadata"].get("name", ""))
    if resource.status and resource.custom:
        obj.pop("status", None)
    obj["metadata"].pop("managedFields", None)
    return unknown


def _judge(
    obj: JsonObject,
    resource: Resource,
    options: WriteOptions,
    unknown: list[str],
    duplicates: list[str],
    *,
    patch: bool,
) -> Callable[[list[str]], list[str]]:
    """What is to happen with unknown fields, of the metadata too, and with duplicate ones."""

    def judge(pruned: list[str]) -> list[str]:
        problems = field_problems([*unknown, *pruned], duplicates)
        return judge_fields(problems, obj, resource, options, patch=patch)

    return judge


def _free_key(objects: Objects, place: Place, obj: JsonObject, *, generated: bool) -> Key:
    """The key of a new object; a generated name that is taken is drawn again a few times."""
    meta, resource = obj["metadata"], place.resource
    for _ in range(NAME_ATTEMPTS if generated else 1):
        key = Key(resource.qualified, place.namespace, meta["name"])
        present = objects.store.newest(key)
        if present is None:
            return key
        if generated:
            meta["name"] = generate_name(meta["generateName"])
    deleting = present is not None and "deletionTimestamp" in present.load()["metadata"]
    raise already_exists(resource.plural, resource.group, key.name, deleting=deleting)


def _check_namespace(objects: Objects, place: Place, name: str) -> None:
    if not place.resource.namespaced:
        return
    namespaces = objects.registry.namespaces
    record = objects.store.newest(Key(namespaces.qualified, "", place.namespace))
    if record is None:
        raise not_found("namespaces", "", place.namespace)
    if "deletionTimestamp" not in record.load()["metadata"]:
        return
    refusal = forbidden(
        place.resource.plural,
        place.resource.group,
        name,
        f"unable to create new content in namespace {place.namespace} "
        "because it is being terminated",
    )
    cause = {
        "reason": "NamespaceTerminating",
        "message": f"namespace {place.namespace} is being terminated",
        "field": "metadata.namespace",
    }
    refusal.details = {**(refusal.details or {}), "causes": [cause]}
    raise refusal


# Update


@dataclass(frozen=True)
class Change:
    """What an update wants: the new object (body of a PUT, result of a patch) and its kind.

    ``track`` notes the owners of fields when that is not the ordinary way (server-side apply).
    """

    obj: JsonObject
    duplicates: list[str] = field(default_factory=list)
    patch: bool = False
    track: Track | None = None


async def update(
    objects: Objects,
    place: Place,
    make: Callable[[JsonObject], Change],
    options: WriteOptions,
) -> Outcome:
    """Change an existing object; ``make`` gets a copy of its newest state."""
    record = require(objects, place)
    old = record.load()
    change = make(record.load())
    resource = place.resource
    unknown = _check_change(objects, place, change, old)
    track = change.track or _tracking(change, old, place, options)
    obj = isolate(change.obj, old, place)
    causes = prepare_update(obj, old, resource, patch=change.patch)
    judge = _judge(obj, resource, options, unknown, change.duplicates, patch=change.patch)
    obj, warnings = admit(obj, resource, old, causes, place.subresource, judge)
    track(obj, old)
    warnings += object_warnings(obj, resource)
    stored = await _store(objects, place, obj, old, dry_run=options.dry_run)
    return Outcome(stored, warnings=warnings)


def _check_change(objects: Objects, place: Place, change: Change, old: JsonObject) -> list[str]:
    """Check that a change is one of this object in this version; returns unknown metadata fields."""
    check_head(change.obj, place.resource, objects.registry, patch=change.patch)
    unknown = decode_metadata(change.obj)
    check_place(change.obj, place.namespace, place.name)
    _check_version(change.obj, old, place, change)
    return unknown


def _tracking(change: Change, old: JsonObject, place: Place, options: WriteOptions) -> Track:
    """Note the owners: a PUT without any keeps them, a patch may clear or replace them."""
    given = change.obj["metadata"].get("managedFields")
    source = old if given is None and not change.patch else change.obj
    entries = managed_fields.entries_of(source["metadata"])
    writer = managed_fields.Owner(options.manager, "Update", place.subresource)

    def track(obj: JsonObject, old: JsonObject) -> None:
        managed_fields.track_update(obj, old, entries, writer, place.resource)

    return track


def _check_version(obj: JsonObject, old: JsonObject, place: Place, change: Change) -> None:
    """Compare the resourceVersion that the client built on with the stored one."""
    resource, meta = place.resource, obj["metadata"]
    given = meta.get("resourceVersion", "")
    if given and not given.isdigit():
        raise internal(f'strconv.ParseUint: parsing "{given}": invalid syntax')
    if given in ("", "0"):
        if resource.custom and not (change.patch and given == ""):
            cause = invalid_value("metadata.resourceVersion", 0, "must be specified for an update")
            raise invalid(resource.plural, resource.group, place.name, [cause])
        given = old["metadata"]["resourceVersion"]
    if given != old["metadata"]["resourceVersion"]:
        raise conflict(resource.plural, resource.group, place.name)
    meta["resourceVersion"] = given


def isolate(obj: JsonObject, old: JsonObject, place: Place) -> JsonObject:
    """Keep what the addressed endpoint may not change as it was."""
    if place.subresource:
        field_name = "status" if place.subresource == "status" else "spec"
        meta = {**old["metadata"], "resourceVersion": obj["metadata"]["resourceVersion"]}
        meta["uid"] = obj["metadata"].get("uid", meta["uid"])
        kept = {**old, "metadata": meta}
        return _with_field(kept, field_name, obj)
    if place.resource.plural == "namespaces":
        obj = _with_field(obj, "spec", old)
    return _with_field(obj, "status", old) if place.resource.status else obj


def _with_field(obj: JsonObject, name: str, source: JsonObject) -> JsonObject:
    rest = {key: value for key, value in obj.items() if key != name}
    return {**rest, name: source[name]} if name in source else rest


async def _store(
    objects: Objects, place: Place, obj: JsonObject, old: JsonObject, *, dry_run: bool
) -> JsonObject:
    """Store a change unless it is none; an object that only waited for its finalizers goes."""
    if same_state(obj, old):
        await objects.store.settled(place.key)
        return old
    if place.resource.custom and generation_moves(obj, old, place.resource):
        obj["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1
    if dry_run:
        return obj
    if is_finished(obj):
        answer: JsonObject = msgspec.json.decode(msgspec.json.encode(obj))
        await objects.store.remove(place.key, old)
        return answer
    await objects.store.put(place.key, obj)
    return obj


def same_state(obj: JsonObject, old: JsonObject) -> bool:
    """Whether nothing changed. Times in managedFields follow changes, so they never differ alone."""
    if obj != old:
        return False
    # Python takes 1, 1.0 and True for equal, JSON does not.
    return msgspec.json.encode(obj, order="deterministic") == msgspec.json.encode(
        old, order="deterministic"
    )


def generation_moves(obj: JsonObject, old: JsonObject, resource: Resource) -> bool:
    ignored = {"metadata", "status"} if resource.status else {"metadata"}
    return {key: value for key, value in obj.items() if key not in ignored} != {
        key: value for key, value in old.items() if key not in ignored
    }


def is_finished(obj: JsonObject) -> bool:
    """Whether an object is being deleted and nothing holds it any more."""
    meta = obj["metadata"]
    held = bool(meta.get("finalizers")) or bool((obj.get("spec") or {}).get("finalizers"))
    return "deletionTimestamp" in meta and not (
        held if obj["kind"] == "Namespace" else meta.get("finalizers")
    )
