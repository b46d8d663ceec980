"""The patch types: JSON patch (RFC 6902), merge patch (RFC 7396), Kubernetes' strategic merge.

What is served of each: docs/reference/resource-api.md#requests.
"""

from __future__ import annotations

import copy
from types import MappingProxyType
from typing import Any

import jsonpatch
import jsonpointer
import msgspec

from flotta.apiserver.errors import (
    StatusError,
    bad_request,
    invalid,
    invalid_value,
    unprocessable,
    wrong_type,
)
from flotta.apiserver.json_object import JsonObject
from flotta.apiserver.objects import extent
from flotta.apiserver.objects.bodies import parse_json
from flotta.merge_patch import apply_merge_patch

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
# In one JSON patch; 10,000 in Kubernetes. Each may move a whole list, in the only event loop.
MAX_OPERATIONS = 1_000
MAX_COPIED = 3 * 1024 * 1024  # bytes that the copies of a JSON patch add up to, as in Kubernetes
# `patchStrategy: merge` of ObjectMeta in Kubernetes: these lists merge, all others are replaced.
STRATEGIC_LIST_KEYS = {("metadata", "ownerReferences"): "uid"}
STRATEGIC_SETS = {("metadata", "finalizers")}


def apply_patch(kind: str, body: bytes, obj: JsonObject) -> tuple[JsonObject, list[str]]:
    """Return the patched copy of an object, and the paths of duplicate keys of a merge patch.

    Raises a StatusError: 400 for what is not a patch, 413 for too many operations, 422 for a JSON
    patch that cannot be applied to the object.
    """
    try:
        patch, duplicates = parse_json(body)
    except ValueError as error:
        raise bad_request(f"the patch is not JSON: {error}") from error
    if kind == JSON_PATCH:
        return _json_patch(patch, obj), []
    if not isinstance(patch, dict):
        raise wrong_type("the patch", patch, "an object")
    if kind == MERGE_PATCH:
        return apply_merge_patch(copy.deepcopy(obj), patch), duplicates
    try:
        return strategic_merge(copy.deepcopy(obj), patch), duplicates
    except (TypeError, AttributeError) as error:
        text = "a list that is merged has an item of the wrong type"
        raise invalid("", "", "", [invalid_value("patch", "", text)]) from error


def _json_patch(operations: Any, obj: JsonObject) -> JsonObject:
    if not isinstance(operations, list):
        raise wrong_type("the patch", operations, "a list of operations")
    if len(operations) > MAX_OPERATIONS:
        raise StatusError(
            413,
            f"a JSON patch may have {MAX_OPERATIONS} operations, not {len(operations)}",
            "RequestEntityTooLarge",
        )
    try:
        patched = _apply_operations(operations, obj)
    except (
        extent.ExcessiveValueError,
        RecursionError,
        jsonpatch.JsonPatchException,
        jsonpointer.JsonPointerException,
        TypeError,
        KeyError,
        AttributeError,
    ) as error:
        raise unprocessable() from error
    if not isinstance(patched, dict):
        raise unprocessable()
    return patched


def _complete_operation(operation: Any) -> Any:
    """Return the operation; `add` and `replace` without a value mean null."""
    if isinstance(operation, dict) and operation.get("op") in ("add", "replace"):
        return {"value": None, **operation}
    return operation


class _Replace(jsonpatch.ReplaceOperation):
    """In Kubernetes, `replace` may add a field to an object."""

    def apply(self, obj: Any) -> Any:
        parent, field = self.pointer.to_last(obj)
        if field is None or not isinstance(parent, dict):
            return super().apply(obj)
        parent[field] = self.operation["value"]
        return obj


class _Test(jsonpatch.TestOperation):
    """In Kubernetes, an absent field of an object equals null."""

    def apply(self, obj: Any) -> Any:
        parent, field = self.pointer.to_last(obj)
        absent = isinstance(parent, dict) and field is not None and field not in parent
        if absent and self.operation.get("value") is None:
            return obj
        return super().apply(obj)


class _Copy(jsonpatch.CopyOperation):
    """A copy; `size` is that of the copied value."""

    size = 0

    def apply(self, obj: Any) -> Any:
        source = self.pointer_cls(self.operation["from"]).resolve(obj)
        self.size = len(msgspec.json.encode(source))
        return super().apply(obj)


class _Operations(jsonpatch.JsonPatch):
    operations = MappingProxyType(
        {**jsonpatch.JsonPatch.operations, "copy": _Copy, "replace": _Replace, "test": _Test}
    )


def _apply_operations(operations: list[Any], obj: JsonObject) -> Any:
    """Return the patched copy of an object. Raises ExcessiveValueError if it is not bounded."""
    patch: Any = _Operations([_complete_operation(operation) for operation in operations])
    patched, copied = copy.deepcopy(obj), 0
    for operation in patch._ops:
        patched = operation.apply(patched)
        copied += operation.size if isinstance(operation, _Copy) else 0
        if copied > MAX_COPIED:
            raise extent.ExcessiveValueError(f"copies add up to more than {MAX_COPIED} bytes")
    extent.check_value(patched)
    return patched


def strategic_merge(target: Any, patch: Any, path: tuple[str, ...] = ()) -> Any:
    """Merge strategically what core kinds need: lists of metadata, `$patch`, primitive lists."""
    if not isinstance(patch, dict):
        return patch
    directive = patch.get("$patch")
    if directive == "replace":
        return {key: value for key, value in patch.items() if key != "$patch"}
    if directive == "delete":
        return {}
    merged = target if isinstance(target, dict) else {}
    for key, value in patch.items():
        _strategic_field(merged, key, value, path)
    return merged


def _strategic_field(merged: JsonObject, key: str, value: Any, path: tuple[str, ...]) -> None:
    if key.startswith("$deleteFromPrimitiveList/"):
        name = key.partition("/")[2]
        removed = _by_text(value)
        merged[name] = [item for item in merged.get(name) or [] if _text(item) not in removed]
        return
    if key.startswith(("$setElementOrder/", "$retainKeys")):
        return
    place = (*path, key)
    if value is None:
        merged.pop(key, None)
    elif place in STRATEGIC_SETS and isinstance(value, list):
        present = _by_text(merged.get(key) or [])
        added = [item for item in value if _text(item) not in present]
        merged[key] = [*added, *present.values()]
    elif place in STRATEGIC_LIST_KEYS and isinstance(value, list):
        merged[key] = _merge_list(merged.get(key) or [], value, STRATEGIC_LIST_KEYS[place])
    else:
        merged[key] = strategic_merge(merged.get(key), value, place)


def _text(value: Any) -> bytes:
    return msgspec.json.encode(value)


def _by_text(values: list[Any]) -> dict[bytes, Any]:
    return {_text(value): value for value in values}


def _merge_list(present: list[Any], patch: list[Any], key: str) -> list[Any]:
    if any(isinstance(item, dict) and item.get("$patch") == "replace" for item in patch):
        return [item for item in patch if "$patch" not in item]
    items = {item.get(key): item for item in present}
    added = []
    for item in patch:
        identity = item.get(key)
        if item.get("$patch") == "delete":
            items.pop(identity, None)
        elif identity in items:
            items[identity] = apply_merge_patch(items[identity], item)
        else:
            added.append(item)
    return [*added, *items.values()]
