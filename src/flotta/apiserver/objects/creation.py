"""Creation of an object: the semantics, without HTTP."""

from __future__ import annotations

from flotta.apiserver.errors import already_exists, forbidden, not_found
from flotta.apiserver.json_object import JsonObject
from flotta.apiserver.names import generate_name
from flotta.apiserver.objects import managed_fields
from flotta.apiserver.objects.admission import (
    admit_object,
    check_head,
    check_location,
    find_warnings,
)
from flotta.apiserver.objects.bodies import DecodedBody
from flotta.apiserver.objects.metadata import decode_metadata, prepare_new
from flotta.apiserver.objects.options import WriteOptions
from flotta.apiserver.objects.writes import (
    Endpoint,
    Objects,
    WriteResult,
    make_field_policy,
    put_object,
)
from flotta.apiserver.storage.watch_cache import ObjectKey

MAX_ATTEMPTS = 5  # names generated for an object; Kubernetes also tries again (KEP-4420)


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
    field_policy = make_field_policy(options, unknown, body.duplicates, patch=False)
    obj, warnings = admit_object(obj, resource, None, field_policy=field_policy)
    options.check_write(obj, None)
    key = _free_key(objects, endpoint, obj, generated=generated)
    sent = body.value if operation == "Apply" else obj
    managed_fields.track_create(obj, sent, resource, options.manager, operation)
    warnings += find_warnings(obj, resource)
    if not options.dry_run:
        await put_object(objects, key, obj)
    return WriteResult(obj, created=True, warnings=warnings)


def _check_new(objects: Objects, endpoint: Endpoint, obj: JsonObject) -> list[str]:
    """Check kind and place of a body, remove what it may not set; return unknown metadata."""
    resource = endpoint.resource
    check_head(obj, resource, objects.registry)
    unknown = decode_metadata(obj)
    check_location(obj, endpoint.namespace, "")
    _check_namespace(objects, endpoint, obj["metadata"].get("name", ""))
    if resource.status and resource.custom:
        obj.pop("status", None)
    obj["metadata"].pop("managedFields", None)
    return unknown


def _free_key(
    objects: Objects, endpoint: Endpoint, obj: JsonObject, *, generated: bool
) -> ObjectKey:
    """Return the key of a new object; a generated name that is taken is replaced a few times."""
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
