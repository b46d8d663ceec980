"""Validation of a pruned object; the causes have the words of k8s.io/kube-openapi."""

from __future__ import annotations

import datetime
import json
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

from flotta.apiserver.errors import Cause
from flotta.apiserver.json_object import JsonObject
from flotta.apiserver.schema.nodes import Node
from flotta.apiserver.schema.ratcheting import (
    NO_VALUE,
    identify_item,
    is_unchanged,
    old_field,
    old_items,
)

# Kubernetes reports some errors without a field; this is how Go prints the absent path.
NO_FIELD = "<nil>"
DUPLICATE = "FieldValueDuplicate"

INT64 = 1 << 63  # the first number that is too large
RANGES = {"int32": 1 << 31, "int64": INT64, "": INT64}
KINDS = {
    bool: "boolean",
    dict: "object",
    float: "number",
    int: "integer",
    list: "array",
    str: "string",
}
# The types of numbers in errors about a field that has a format.
GO_FORMATS = {"integer": "int64", "number": "float64"}
DATE_TIME = re.compile(
    r"(\d{4}-\d{2}-\d{2})[Tt]([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?([Zz]|[+-]\d{2}:\d{2})"
)
BASE64 = re.compile(
    r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{4})"
)


def check_value(
    node: Node, value: Any, path: str, causes: list[Cause], old: Any = NO_VALUE
) -> None:
    """Append to `causes` everything that is wrong with `value` at `path` and below.

    What is wrong in a part that is what it was in `old` does not count (see `ratcheting`).
    """
    if node.preserve:
        return
    found: list[Cause] = []
    _check_any(node, value, path, found, old)
    if found and not is_unchanged(node, value, old):
        causes += found


def _check_any(node: Node, value: Any, path: str, causes: list[Cause], old: Any) -> None:
    if value is None:
        if not node.nullable:
            causes.append(_wrong_type(path, node.types, "null"))
        return
    kind = _kind(value)
    if node.type == "int-or-string":
        _check_int_or_string(node, value, kind, path, causes)
    elif node.type and kind != node.type:
        causes.append(_wrong_type_or_format(node, kind, path))
    if node.enum and value not in node.enum:
        choices = ", ".join(map(_format_value, node.enum))
        text = f"Unsupported value: {_format_value(value)}: supported values: {choices}"
        causes.append(Cause("FieldValueNotSupported", text, path))
    check_kind = CHECKS.get(kind)
    if check_kind is not None:
        check_kind(node, value, path, causes, old)


def _kind(value: Any) -> str:
    kind = KINDS[type(value)]
    # Go decodes a number that does not fit into an int64 as float64.
    return "number" if kind == "integer" and not -INT64 <= value < INT64 else kind


def _wrong_type_or_format(node: Node, kind: str, path: str) -> Cause:
    """Return the error about a wrong type, which sometimes names formats instead of types."""
    if node.format and kind not in ("string", "array"):
        return _wrong_type(path, node.format, GO_FORMATS.get(kind, ""))
    return _wrong_type(path, node.types, kind)


def _wrong_type(path: str, expected: str, actual: str) -> Cause:
    text = f"{path} in body must be of type {expected}: {_format_value(actual)}"
    return Cause("FieldValueTypeInvalid", f"Invalid value: {_format_value(actual)}: {text}", path)


def _invalid(path: str, value: Any, text: str) -> Cause:
    return Cause(
        "FieldValueInvalid", f"Invalid value: {_format_value(value)}: {path} in body {text}", path
    )


def _invalid_anywhere(text: str) -> Cause:
    return Cause("FieldValueInvalid", f'Invalid value: "": {text}', NO_FIELD)


def _format_value(value: Any) -> str:
    if type(value) is float and value.is_integer() and abs(value) < INT64:
        value = int(value)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def _check_int_or_string(node: Node, value: Any, kind: str, path: str, causes: list[Cause]) -> None:
    if kind in ("integer", "string"):
        return
    causes.append(_wrong_type(path, node.types, kind))
    causes.append(_invalid_anywhere(f'"{path}" must validate at least one schema (anyOf)'))
    causes.append(_wrong_type(path, "integer", kind))


def _check_number(node: Node, value: float, path: str, causes: list[Cause], _old: Any) -> None:
    limit = RANGES.get(node.format, INT64)
    integral = type(value) is int and -limit <= value < limit
    if node.type in ("integer", "int-or-string") and not integral:
        kind = f"with format {node.format}" if node.format else "(default format)"
        causes.append(_invalid_anywhere(f"Checked value must be of type integer {kind} in {path}"))
    if node.minimum is not None and value < node.minimum:
        causes.append(_invalid(path, value, f"should be greater than or equal to {node.minimum}"))
    if node.maximum is not None and value > node.maximum:
        causes.append(_invalid(path, value, f"should be less than or equal to {node.maximum}"))


def _check_string(node: Node, value: str, path: str, causes: list[Cause], _old: Any) -> None:
    wanted = FORMATS.get(node.format)
    if wanted is not None and not wanted(value):
        causes.append(_wrong_type(path, node.format, value))
    if node.min_length is not None and len(value) < node.min_length:
        causes.append(_invalid(path, value, f"should be at least {node.min_length} chars long"))
    if node.max_length is not None and len(value) > node.max_length:
        text = f"Too long: may not be more than {node.max_length} bytes"
        causes.append(Cause("FieldValueTooLong", text, path))
    if node.pattern is not None and not node.pattern.matches(value):
        causes.append(_invalid(path, value, f"should match '{node.pattern.text}'"))


def _check_object(node: Node, value: JsonObject, path: str, causes: list[Cause], old: Any) -> None:
    prefix = f"{path}." if path else ""
    _check_count(len(value), node.max_properties, path, causes)
    causes.extend(
        Cause("FieldValueRequired", "Required value", f"{prefix}{key}")
        for key in node.required
        if key not in value
    )
    for key, item in value.items():
        child = node.properties.get(key) or node.additional
        if child is not None:
            check_value(child, item, f"{prefix}{key}", causes, old_field(old, key))


def _check_count(size: int, most: int | None, path: str, causes: list[Cause]) -> None:
    if most is not None and size > most:
        text = f"Too many: {size}: must have at most {most} items"
        causes.append(Cause("FieldValueTooMany", text, path))


def _check_array(node: Node, value: list[Any], path: str, causes: list[Cause], old: Any) -> None:
    size = len(value)
    if node.min_items is not None and size < node.min_items:
        causes.append(_invalid(path, size, f"should have at least {node.min_items} items"))
    _check_count(size, node.max_items, path, causes)
    if node.items is not None:
        pairs = zip(value, old_items(node, value, old), strict=True)
        for index, (item, before) in enumerate(pairs):
            check_value(node.items, item, f"{path}[{index}]", causes, before)
    if node.list_type != "atomic":
        _check_unique(node, value, path, causes)


def _check_unique(node: Node, value: list[Any], path: str, causes: list[Cause]) -> None:
    for index, item in enumerate(value):
        if node.list_type == "map" and not isinstance(item, dict | None):
            text = "must be an object for an array of list-type map"
            message = f"Invalid value: {_format_value(item)}: {text}"
            causes.append(Cause("FieldValueInvalid", message, f"{path}[{index}]"))
            return
    seen: Counter[str] = Counter()
    for index, item in enumerate(value):
        identity = _format_value(identify_item(node, item))
        seen[identity] += 1
        # Kubernetes reports an identity once, however often it occurs.
        if seen[identity] == 2:
            text = f"Duplicate value: {identity}"
            causes.append(Cause(DUPLICATE, text, f"{path}[{index}]"))


def _is_date_time(text: str) -> bool:
    match = DATE_TIME.fullmatch(text)
    if match is None:
        return False
    try:
        datetime.date.fromisoformat(match[1])
    except ValueError:
        return False
    return True


def _is_base64(text: str) -> bool:
    return BASE64.fullmatch(text) is not None


FORMATS: dict[str, Callable[[str], bool]] = {"date-time": _is_date_time, "byte": _is_base64}
CHECKS: dict[str, Callable[[Node, Any, str, list[Cause], Any], None]] = {
    "array": _check_array,
    "integer": _check_number,
    "number": _check_number,
    "object": _check_object,
    "string": _check_string,
}
