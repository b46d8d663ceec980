"""metadata of objects: its types, its limits, and the fields that belong to the server."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

from flotta.apiserver import names, timestamps
from flotta.apiserver.errors import (
    Cause,
    conflict,
    forbidden_value,
    internal,
    invalid_value,
    required,
    too_long,
    wrong_type,
)
from flotta.apiserver.json_object import JsonObject
from flotta.apiserver.registry import Resource
from flotta.apiserver.timestamps import normalize_time

# Kubernetes' TotalAnnotationSizeLimitB.
MAX_ANNOTATIONS = 256 * 1024  # bytes, keys and values together
SERVER_FIELDS = ("selfLink", "deletionTimestamp", "deletionGracePeriodSeconds")
KEPT_FIELDS = (
    "uid",
    "creationTimestamp",
    "generation",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
)
TEXT_FIELDS = {
    "name",
    "generateName",
    "namespace",
    "selfLink",
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "deletionTimestamp",
}
OWNER_TYPES = {
    **dict.fromkeys(("apiVersion", "kind", "name", "uid"), str),
    **dict.fromkeys(("controller", "blockOwnerDeletion"), bool),
}
UNQUALIFIED = "name is neither a standard finalizer name nor is it fully qualified"
DOMAINLESS_FINALIZERS = {"orphan", "foregroundDeletion", "kubernetes"}


def decode_metadata(obj: JsonObject) -> list[str]:
    """Bring obj["metadata"] into its types; returns the paths of unknown fields, removed.

    Raises a 400 StatusError on a wrong type, as Kubernetes' decoder does.
    """
    raw = obj.get("metadata")
    if raw is None:
        raw = {}
    if not isinstance(raw, dict):
        raise wrong_type("metadata", raw, "an object")
    meta: JsonObject = {}
    unknown = []
    for key, value in raw.items():
        if key not in READERS:
            unknown.append(f"metadata.{key}")
        elif value is not None:
            decoded = READERS[key](key, value)
            if decoded not in (None, {}, []):
                meta[key] = decoded
    unknown += _unknown_owner_fields(meta)
    obj["metadata"] = meta
    return unknown


def _unknown_owner_fields(meta: JsonObject) -> list[str]:
    unknown = []
    for index, owner in enumerate(meta.get("ownerReferences", ())):
        for key in set(owner) - set(OWNER_TYPES):
            unknown.append(f"metadata.ownerReferences[{index}].{key}")
            del owner[key]
    return unknown


def _read_text(key: str, value: Any) -> str:
    if not isinstance(value, str):
        raise wrong_type(f"metadata.{key}", value, "a string")
    return value


def _read_time(key: str, value: Any) -> str:
    try:
        return normalize_time(_read_text(key, value))
    except ValueError as error:
        raise wrong_type(f"metadata.{key}", value, timestamps.TIME_FORM) from error


def _read_number(key: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise wrong_type(f"metadata.{key}", value, "a whole number")
    return value


def _read_map(key: str, value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        raise wrong_type(f"metadata.{key}", value, "an object of strings")
    # null is the zero value of Go, an empty string.
    return {
        name: _read_text(f"{key}.{name}", "" if item is None else item)
        for name, item in value.items()
    }


def _read_texts(key: str, value: Any) -> list[str]:
    if not isinstance(value, list):
        raise wrong_type(f"metadata.{key}", value, "a list of strings")
    return [_read_text(f"{key}[{index}]", item) for index, item in enumerate(value)]


def _read_objects(key: str, value: Any) -> list[JsonObject]:
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise wrong_type(f"metadata.{key}", value, "a list of objects")
    return [dict(item) for item in value]


def _read_owners(key: str, value: Any) -> list[JsonObject]:
    owners = _read_objects(key, value)
    for index, owner in enumerate(owners):
        for name, item in owner.items():
            wanted = OWNER_TYPES.get(name, object)
            if item is not None and not isinstance(item, wanted):
                expected = "true or false" if wanted is bool else "a string"
                raise wrong_type(f"metadata.{key}[{index}].{name}", item, expected)
    return [{name: item for name, item in owner.items() if item is not None} for owner in owners]


READERS: dict[str, Callable[[str, Any], object]] = {
    **dict.fromkeys(TEXT_FIELDS, _read_text),
    "creationTimestamp": _read_time,
    "deletionTimestamp": _read_time,
    "generation": _read_number,
    "deletionGracePeriodSeconds": _read_number,
    "labels": _read_map,
    "annotations": _read_map,
    "finalizers": _read_texts,
    "ownerReferences": _read_owners,
    "managedFields": _read_objects,
}


def prepare_new(obj: JsonObject, resource: Resource) -> None:
    """Fill the server's fields of an object that is to be created."""
    meta = obj["metadata"]
    if meta.get("resourceVersion", "") not in ("", "0"):
        # A 500 there too: its storage layer finds out, and nothing makes it the client's mistake.
        raise internal("resourceVersion should not be set on objects to be created")
    for key in (*SERVER_FIELDS, "resourceVersion", "generation"):
        meta.pop(key, None)
    if not meta.get("name") and meta.get("generateName"):
        meta["name"] = names.generate_name(meta["generateName"])
    meta["uid"] = str(uuid.uuid4())
    meta["creationTimestamp"] = timestamps.now()
    if resource.custom:
        meta["generation"] = 1


def prepare_update(
    obj: JsonObject, old: JsonObject, resource: Resource, *, patch: bool
) -> list[Cause]:
    """Keep the server's fields of the old state; returns the causes of forbidden changes."""
    meta, before = obj["metadata"], old["metadata"]
    causes = []
    uid = meta.get("uid")
    # For a PUT the uid is a precondition, as in DeleteOptions; a patch would have to change it.
    if uid and uid != before["uid"]:
        if not patch:
            why = (
                f"Precondition failed: UID in precondition: {uid}, "
                f"UID in object meta: {before['uid']}"
            )
            raise conflict(resource.plural, resource.group, before["name"], why)
        causes.append(invalid_value("metadata.uid", uid, "field is immutable"))
    for key in KEPT_FIELDS:
        meta.pop(key, None)
        if key in before:
            meta[key] = before[key]
    meta.pop("selfLink", None)
    return causes


def validate_metadata(obj: JsonObject, resource: Resource, old: JsonObject | None) -> list[Cause]:
    """Return everything that Kubernetes refuses in metadata with a 422."""
    meta = obj["metadata"]
    return [
        *(_validate_name(meta, resource) if old is None else ()),
        *_validate_labels(meta),
        *_validate_annotations(meta),
        *_validate_owners(meta),
        *_validate_finalizers(meta, old, custom=resource.custom),
    ]


def _validate_name(meta: JsonObject, resource: Resource) -> list[Cause]:
    name, prefix = meta.get("name", ""), meta.get("generateName", "")
    if not name:
        return [required("metadata.name", "name or generateName is required")]
    is_namespace = resource.plural == "namespaces" and not resource.custom
    find_problem = names.dns_label_problem if is_namespace else names.subdomain_problem
    # A prefix may end in what a name must not end in.
    given = {"generateName": prefix.rstrip("-."), "name": name} if prefix else {"name": name}
    return [
        invalid_value(f"metadata.{key}", meta[key], problem)
        for key, value in given.items()
        if value and (problem := find_problem(value))
    ]


def _validate_labels(meta: JsonObject) -> list[Cause]:
    causes = []
    for key, value in meta.get("labels", {}).items():
        causes += [
            invalid_value("metadata.labels", key, problem)
            for problem in names.qualified_problems(key)
        ]
        problem = names.label_value_problem(value)
        if problem:
            causes.append(invalid_value("metadata.labels", value, problem))
    return causes


def _validate_annotations(meta: JsonObject) -> list[Cause]:
    annotations = meta.get("annotations", {})
    causes = [
        invalid_value("metadata.annotations", key, problem)
        for key in annotations
        for problem in names.qualified_problems(key.lower())
    ]
    size = sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items())
    if size > MAX_ANNOTATIONS:
        causes.append(too_long("metadata.annotations", MAX_ANNOTATIONS))
    return causes


def _validate_owners(meta: JsonObject) -> list[Cause]:
    path = "metadata.ownerReferences"
    causes: list[Cause] = []
    owners = meta.get("ownerReferences", [])
    for owner in owners:
        if not _is_api_version(owner.get("apiVersion", "")):
            version = owner.get("apiVersion", "")
            causes.append(invalid_value(f"{path}.apiVersion", version, "version must not be empty"))
        causes += [
            invalid_value(f"{path}.{key}", "", "must not be empty")
            for key in ("kind", "name", "uid")
            if not owner.get(key)
        ]
        if (owner.get("apiVersion"), owner.get("kind")) == ("v1", "Event"):
            causes.append(
                _invalid_json(path, owner, "/v1, Kind=Event is disallowed from being an owner")
            )
    controllers = [
        f"{owner.get('kind')}/{owner.get('name')}" for owner in owners if owner.get("controller")
    ]
    if len(controllers) > 1:
        text = (
            "Only one reference can have Controller set to true. "
            f'Found "true" in references for {" and ".join(controllers[:2])}'
        )
        causes.append(_invalid_json(path, owners, text))
    return causes


def _is_api_version(text: str) -> bool:
    group, _, version = text.rpartition("/")
    return bool(version) and "/" not in group


def _invalid_json(path: str, value: Any, text: str) -> Cause:
    shown = json.dumps(value, separators=(",", ":"))
    return Cause("FieldValueInvalid", f"Invalid value: {shown}: {text}", path)


def _validate_finalizers(meta: JsonObject, old: JsonObject | None, *, custom: bool) -> list[Cause]:
    path = "metadata.finalizers"
    finalizers = meta.get("finalizers", [])
    causes = [
        invalid_value(path, finalizer, problem)
        for finalizer in finalizers
        for problem in names.qualified_problems(finalizer)
    ]
    if not custom and not causes:
        causes += [
            invalid_value(f"{path}[{index}]", finalizer, UNQUALIFIED)
            for index, finalizer in enumerate(finalizers)
            if "/" not in finalizer and finalizer not in DOMAINLESS_FINALIZERS
        ]
    if old is None or "deletionTimestamp" not in old["metadata"]:
        return causes
    added = [
        finalizer
        for finalizer in finalizers
        if finalizer not in old["metadata"].get("finalizers", [])
    ]
    if added:
        text = f"an object that is being deleted takes no new finalizers: {', '.join(added)}"
        causes.append(forbidden_value(path, text))
    return causes


def find_finalizer_warnings(obj: JsonObject) -> list[str]:
    """Return warnings about finalizers without a domain."""
    return [
        f'metadata.finalizers: "{finalizer}": prefer a domain-qualified finalizer name to avoid '
        "accidental conflicts with other finalizer writers"
        for finalizer in obj["metadata"].get("finalizers", [])
        if "/" not in finalizer and finalizer not in DOMAINLESS_FINALIZERS
    ]


def head_first(obj: JsonObject) -> JsonObject:
    """Return the object with apiVersion, kind and metadata first."""
    head = {key: obj[key] for key in ("apiVersion", "kind", "metadata")}
    return {**head, **{key: value for key, value in obj.items() if key not in head}}
