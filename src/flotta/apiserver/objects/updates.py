"""Changes of an object by PUT or patch: the semantics, without HTTP."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from flotta.apiserver.errors import conflict, describe_mismatch, internal, invalid, invalid_value
from flotta.apiserver.json_object import JsonObject
from flotta.apiserver.objects import managed_fields
from flotta.apiserver.objects.admission import (
    admit_object,
    check_head,
    check_location,
    find_warnings,
)
from flotta.apiserver.objects.metadata import decode_metadata, prepare_update
from flotta.apiserver.objects.options import WriteOptions, parse_version
from flotta.apiserver.objects.writes import (
    Endpoint,
    Objects,
    WriteResult,
    changes_generation,
    is_finished,
    is_same_state,
    make_field_policy,
    put_object,
    require_record,
)

TrackOwners = Callable[[JsonObject, JsonObject], None]


@dataclass(frozen=True)
class RequestedChange:
    """What an update requests: the new object (body of a PUT, or result of a `patch`).

    `track` records the owners of fields if that is not done in the usual way (server-side apply).
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
    field_policy = make_field_policy(options, unknown, change.duplicates, patch=change.patch)
    obj, warnings = admit_object(obj, resource, old, causes, endpoint.subresource, field_policy)
    options.check_write(obj, old)
    track(obj, old)
    warnings += find_warnings(obj, resource, endpoint.subresource)
    stored = await _store_update(objects, endpoint, obj, old, dry_run=options.dry_run)
    return WriteResult(stored, warnings=warnings)


def _check_change(
    objects: Objects, endpoint: Endpoint, change: RequestedChange, old: JsonObject
) -> list[str]:
    """Check that a change is of this object and version; return unknown metadata fields."""
    check_head(change.obj, endpoint.resource, objects.registry, patch=change.patch)
    unknown = decode_metadata(change.obj)
    check_location(change.obj, endpoint.namespace, endpoint.name)
    _check_version(change.obj, old, endpoint, change)
    return unknown


def _owner_tracker(
    change: RequestedChange, old: JsonObject, endpoint: Endpoint, options: WriteOptions
) -> TrackOwners:
    """Return what records owners: a PUT without any keeps them, a patch may replace them."""
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
    """Compare the resourceVersion on which the change is based with the stored one."""
    resource, meta = endpoint.resource, obj["metadata"]
    given = meta.get("resourceVersion", "")
    if given and parse_version(given) is None:
        # Kubernetes answers with a 500, too: its storage layer detects it.
        raise internal(describe_mismatch("metadata.resourceVersion", given, "a whole number"))
    # A PUT of a custom resource must have a version; a PUT of a core kind without one overwrites
    # (AllowUnconditionalUpdate in Kubernetes' registries).
    if given in ("", "0"):
        if resource.custom and not (change.patch and given == ""):
            cause = invalid_value("metadata.resourceVersion", 0, "must be specified for an update")
            raise invalid(resource.plural, resource.group, endpoint.name, [cause])
        given = old["metadata"]["resourceVersion"]
    if given != old["metadata"]["resourceVersion"]:
        raise conflict(resource.plural, resource.group, endpoint.name)
    meta["resourceVersion"] = given


def keep_other_parts(obj: JsonObject, old: JsonObject, endpoint: Endpoint) -> JsonObject:
    """Keep the parts that the addressed endpoint may not change."""
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
    """Store the object if it changed; remove it if it only waited for its finalizers."""
    # Kubernetes writes nothing either: no new version and no watch event.
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
    await put_object(objects, endpoint.key, obj)
    return obj
