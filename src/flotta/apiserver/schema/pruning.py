"""Pruning and defaulting by a schema, which also removes nulls and normalises numbers.

"Extend the Kubernetes API with CustomResourceDefinitions" in Kubernetes' documentation.
"""

from __future__ import annotations

import copy
from typing import Any

from flotta.apiserver.json_object import JsonObject
from flotta.apiserver.schema.nodes import NOTHING, Node

INT64 = 1 << 63  # the first whole number that an int64 cannot hold
MAX_UNKNOWN = 100  # pruned fields that are reported
MAX_NAME = 253  # characters of a name in such a report; names of labels and data are not longer


def shape_value(node: Node, value: Any, path: str, unknown: list[str]) -> Any:
    """Return a copy of `value` in its stored form; append paths of pruned fields to `unknown`."""
    if node.preserve:
        return value
    kind = type(value)
    if kind is dict:
        return _shape_object(node, value, path, unknown)
    if kind is list:
        items = node.items or NOTHING
        return [shape_value(items, item, f"{path}[{i}]", unknown) for i, item in enumerate(value)]
    if kind is float and node.type in ("integer", "number", "int-or-string"):
        return int(value) if value.is_integer() and abs(value) < INT64 else value
    return value


def _shape_object(node: Node, value: JsonObject, path: str, unknown: list[str]) -> JsonObject:
    result = {}
    for key, item in value.items():
        child = node.properties.get(key) or node.additional
        # A name may fill the body, and then each field below would repeat it.
        where = f"{path}.{key[:MAX_NAME]}" if path else key[:MAX_NAME]
        if child is None:
            if len(unknown) < MAX_UNKNOWN:
                unknown.append(where)
        # null where it is not allowed means absent, so that the default applies
        # ("Defaulting and Nullable" in Kubernetes' documentation of CRDs).
        elif item is not None or child.nullable:
            result[key] = shape_value(child, item, where, unknown)
    for key, default in node.defaults.items():
        if key not in result:
            result[key] = shape_value(node.properties[key], copy.deepcopy(default), "", [])
    return result
