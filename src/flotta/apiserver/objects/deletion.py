"""Deletion of an object: preconditions, finalizers, propagation policy, protected namespaces."""

from __future__ import annotations

from dataclasses import dataclass

from flotta.apiserver import timestamps
from flotta.apiserver.core.namespace import PROTECTED
from flotta.apiserver.errors import conflict, forbidden
from flotta.apiserver.json_object import JsonObject
from flotta.apiserver.objects.options import DeleteOptions
from flotta.apiserver.objects.writes import Endpoint, Objects, is_finished, require_record

# The finalizers by which Kubernetes records a propagation policy; the garbage collector removes
# them.
FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"
POLICY_FINALIZERS = {"Foreground": FOREGROUND, "Orphan": ORPHAN}


@dataclass(frozen=True)
class DeleteResult:
    """The last state if the object is `gone`, else the state in which finalizers hold it."""

    obj: JsonObject
    gone: bool


async def delete_object(
    objects: Objects, endpoint: Endpoint, options: DeleteOptions
) -> DeleteResult:
    """Delete an object, or mark it as being deleted if it has finalizers."""
    record = require_record(objects, endpoint)
    obj = record.load()
    _check_not_protected(endpoint)
    _check_preconditions(obj, endpoint, options)
    if options.dry_run:
        return DeleteResult(obj, gone=True)
    marked = _mark_deleted(record.load(), endpoint, options)
    if is_finished(marked):
        await objects.store.remove(endpoint.key, obj)
        return DeleteResult(obj, gone=True)
    if marked == obj:
        await objects.store.wait_durable(endpoint.key)
        return DeleteResult(obj, gone=False)
    await objects.store.put(endpoint.key, marked)
    return DeleteResult(marked, gone=False)


def _check_not_protected(endpoint: Endpoint) -> None:
    if endpoint.resource.plural == "namespaces" and endpoint.name in PROTECTED:
        raise forbidden("namespaces", "", endpoint.name, "this namespace may not be deleted")


def _check_preconditions(obj: JsonObject, endpoint: Endpoint, options: DeleteOptions) -> None:
    meta = obj["metadata"]
    if options.uid is not None and options.uid != meta["uid"]:
        why = (
            f"the UID in the precondition ({options.uid}) does not match the UID in record "
            f"({meta['uid']}). The object might have been deleted and then recreated"
        )
        raise conflict(endpoint.resource.kind, endpoint.resource.group, endpoint.name, why)
    version = options.resource_version
    if version is not None and version != meta["resourceVersion"]:
        why = (
            f"the ResourceVersion in the precondition ({version}) does not match the "
            f"ResourceVersion in record ({meta['resourceVersion']}). "
            "The object might have been modified"
        )
        raise conflict(endpoint.resource.kind, endpoint.resource.group, endpoint.name, why)


def _mark_deleted(obj: JsonObject, endpoint: Endpoint, options: DeleteOptions) -> JsonObject:
    """Return the object in its state after a request for its deletion."""
    meta = obj["metadata"]
    finalizers = [name for name in meta.get("finalizers", []) if name not in (FOREGROUND, ORPHAN)]
    if "deletionTimestamp" in meta and options.policy == "Background":
        finalizers = meta.get("finalizers", [])
    policy_finalizer = POLICY_FINALIZERS.get(options.policy)
    if policy_finalizer:
        finalizers = [*finalizers, policy_finalizer]
    meta.pop("finalizers", None)
    if finalizers:
        meta["finalizers"] = finalizers
    if "deletionTimestamp" not in meta:
        meta["deletionTimestamp"] = timestamps.now()
        meta["deletionGracePeriodSeconds"] = 0
        if endpoint.resource.custom:
            # A deletion changes the desired state, as a change of the spec does.
            meta["generation"] = meta.get("generation", 0) + 1
    if obj["kind"] == "Namespace":
        meta.pop("deletionGracePeriodSeconds", None)
        obj["status"] = {**obj.get("status", {}), "phase": "Terminating"}
    return obj
