"""Paths of fields, as managedFields (FieldsV1, KEP-555) has them, and access to objects by them.

A path is a tuple of steps: `f:name` for a field or map key, `k:{"uid":"1"}` for an item of a
list that is a map, `v:"x"` for an item of a list that is a set. Other lists are one leaf.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from flotta.apiserver.json_object import JsonObject

Path = tuple[str, ...]

SERVER_METADATA = {
    "name",
    "namespace",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "managedFields",
    "selfLink",
    "generateName",
}
METADATA_SHAPE: JsonObject = {
    "properties": {
        "finalizers": {"x-kubernetes-list-type": "set"},
        "ownerReferences": {
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["uid"],
        },
    }
}


class _Container:
    """Stands for a map or keyed list, whose fields have paths of their own."""

    def __repr__(self) -> str:
        return "CONTAINER"


CONTAINER = _Container()


def shape_of(openapi: JsonObject) -> JsonObject:
    """Return the schema by which objects of a kind are traversed; metadata has its own."""
    return {**openapi, "properties": {**openapi.get("properties", {}), "metadata": METADATA_SHAPE}}


def child_shape(shape: JsonObject, name: str) -> JsonObject:
    """Return the schema of a field or of the values of a map; empty if there is none."""
    found = shape.get("properties", {}).get(name)
    if found is None:
        found = shape.get("additionalProperties")
    return found if isinstance(found, dict) else {}


def item_step(item: Any, shape: JsonObject) -> str | None:
    """Return the step to an item of a list; None if the list is one leaf."""
    kind = shape.get("x-kubernetes-list-type")
    if kind == "set":
        return "v:" + _compact(item)
    if kind == "map" and isinstance(item, dict):
        return "k:" + _compact(item_keys(item, shape))
    return None


def item_keys(item: JsonObject, shape: JsonObject) -> JsonObject:
    """Return the key fields of an item of a keyed list; absent ones have their default."""
    properties = shape.get("items", {}).get("properties", {})
    found = {}
    for key in sorted(shape.get("x-kubernetes-list-map-keys", ())):
        value = item.get(key, properties.get(key, {}).get("default"))
        if value is not None:
            found[key] = value
    return found


def is_atomic(value: Any, shape: JsonObject) -> bool:
    """Tell whether a value is one leaf, which can only be owned as a whole."""
    if isinstance(value, dict):
        return not value or shape.get("x-kubernetes-map-type") == "atomic"
    if isinstance(value, list):
        return not value or shape.get("x-kubernetes-list-type") not in ("set", "map")
    return True


def flatten_object(obj: JsonObject, shape: JsonObject) -> dict[Path, Any]:
    """Return path → value of all fields of an object; maps and keyed lists are CONTAINER."""
    found: dict[Path, Any] = {}
    for name, value in obj.items():
        if name == "metadata":
            clean = {key: item for key, item in value.items() if key not in SERVER_METADATA}
            for key, item in clean.items():
                _walk(item, ("f:metadata", f"f:{key}"), child_shape(METADATA_SHAPE, key), found)
        elif name not in ("apiVersion", "kind"):
            _walk(value, (f"f:{name}",), child_shape(shape, name), found)
    return found


def _walk(value: Any, path: Path, shape: JsonObject, found: dict[Path, Any]) -> None:
    if is_atomic(value, shape):
        found[path] = value
        return
    found[path] = CONTAINER
    if isinstance(value, dict):
        for name, item in value.items():
            _walk(item, (*path, f"f:{name}"), child_shape(shape, name), found)
        return
    for item in value:
        step = item_step(item, shape)
        if step is None or step.startswith("v:"):
            found[(*path, step or "v:" + _compact(item))] = item
        else:
            _walk(item, (*path, step), shape.get("items", {}), found)


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True)


def encode_paths(paths: set[Path]) -> JsonObject:
    """Return a set of paths as FieldsV1."""
    root: JsonObject = {}
    for path in sorted(paths):
        node = root
        for step in path:
            node = node.setdefault(step, {})
        node["."] = {}
    return _shorten_leaves(root)


def _shorten_leaves(node: JsonObject) -> JsonObject:
    """Write a node without children as {}."""
    if set(node) == {"."}:
        return {}
    return {step: _shorten_leaves(child) for step, child in node.items()}


def decode_paths(fields: JsonObject, path: Path = ()) -> set[Path]:
    """Return the set of paths of FieldsV1; `.` at its top is ignored, as in Kubernetes."""
    if not isinstance(fields, dict) or not fields:
        return {path} if path else set()
    found: set[Path] = set()
    for step, child in fields.items():
        found |= decode_paths({}, path) if step == "." else decode_paths(child, (*path, step))
    return found


def fold_paths(paths: Iterable[Path], present: Mapping[Path, Any]) -> frozenset[Path]:
    """Return the paths; those below a leaf of an object become the path of that leaf.

    `present` is the object as `flatten_object` returns it.
    """
    return frozenset(_fold_path(path, present) for path in paths)


def _fold_path(path: Path, present: Mapping[Path, Any]) -> Path:
    for length in range(1, len(path)):
        if present.get(path[:length], CONTAINER) is not CONTAINER:
            return path[:length]
    return path


def format_path(path: Path) -> str:
    """Return a path as in messages about conflicts: `.spec.ports[name="x"].port`."""
    shown = ""
    for step in path:
        kind, _, rest = step.partition(":")
        if kind == "f":
            shown += f".{rest}"
        elif kind == "k":
            keys = json.loads(rest).items()
            shown += f"[{','.join(f'{key}={_compact(value)}' for key, value in keys)}]"
        else:
            shown += f"[={rest}]"
    return shown


def remove_value(obj: JsonObject, path: Path, shape: JsonObject) -> None:
    """Remove the field or item at a path from an object."""
    node: Any = obj
    for step in path[:-1]:
        node = _follow_step(node, step, shape)
        shape = _step_shape(shape, step)
        if node is None:
            return
    last = path[-1]
    if isinstance(node, dict):
        node.pop(last[2:], None)
    elif isinstance(node, list):
        node[:] = [item for item in node if item_step(item, shape) != last]


def get_value(obj: JsonObject, path: Path, shape: JsonObject) -> Any:
    """Return the value at a path, or None."""
    node: Any = obj
    for step in path:
        node = _follow_step(node, step, shape)
        shape = _step_shape(shape, step)
    return node


def _follow_step(node: Any, step: str, shape: JsonObject) -> Any:
    if isinstance(node, dict):
        return node.get(step[2:])
    if isinstance(node, list):
        return next((item for item in node if item_step(item, shape) == step), None)
    return None


def _step_shape(shape: JsonObject, step: str) -> JsonObject:
    if step.startswith("f:"):
        return child_shape(shape, step[2:])
    items: JsonObject = shape.get("items", {})
    return items


def merge_values(live: Any, wanted: Any, shape: JsonObject) -> Any:
    """Merge a value into a live one: maps and keyed lists merge, other values replace."""
    if isinstance(wanted, dict) and isinstance(live, dict) and not is_atomic(wanted, shape):
        merged = dict(live)
        for name, value in wanted.items():
            merged[name] = merge_values(live.get(name), value, child_shape(shape, name))
        return merged
    if isinstance(wanted, list) and isinstance(live, list) and not is_atomic(wanted, shape):
        return _merge_items(live, wanted, shape)
    if isinstance(wanted, dict) and not wanted and isinstance(live, dict):
        return live
    return wanted


def _merge_items(live: list[Any], wanted: list[Any], shape: JsonObject) -> list[Any]:
    present = {item_step(item, shape): item for item in live}
    for item in wanted:
        step = item_step(item, shape)
        present[step] = merge_values(present.get(step), item, shape.get("items", {}))
    return list(present.values())
