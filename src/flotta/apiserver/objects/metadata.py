"""The metadata of objects: its types, and the fields that only the server sets.

"Metadata" in Kubernetes' API conventions.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from flotta.apiserver import names, timestamps
from flotta.apiserver.errors import Cause, conflict, internal, invalid_value, wrong_type
from flotta.apiserver.json_object import JsonObject
from flotta.apiserver.registry import ServedResource
from flotta.apiserver.timestamps import normalize_time

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


def decode_metadata(obj: JsonObject) -> list[str]:
    """Decode obj["metadata"]; return the paths of unknown fields, which are removed.

    Raises a 400 StatusError on a wrong type, like Kubernetes' decoder.
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
    # null becomes the zero value of Go, an empty string.
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


def prepare_new(obj: JsonObject, resource: ServedResource) -> None:
    """Set the server's fields of a new object."""
    meta = obj["metadata"]
    if meta.get("resourceVersion", "") not in ("", "0"):
        # Kubernetes answers with a 500, too: its storage layer detects it.
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
    obj: JsonObject, old: JsonObject, resource: ServedResource, *, patch: bool
) -> list[Cause]:
    """Keep the server's fields of the old state; return the causes of forbidden changes."""
    meta, before = obj["metadata"], old["metadata"]
    causes = []
    uid = meta.get("uid")
    # In a PUT the uid is a precondition, as in DeleteOptions; a patch would change it.
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


def head_first(obj: JsonObject) -> JsonObject:
    """Return the object with apiVersion, kind and metadata first."""
    head = {key: obj[key] for key in ("apiVersion", "kind", "metadata")}
    return {**head, **{key: value for key, value in obj.items() if key not in head}}
