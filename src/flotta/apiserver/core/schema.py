"""Admission of core kinds by Kubernetes' own schemas.

Kubernetes has no schema for them at run time: it decodes them into structs. So they behave
differently from custom resources, and CoreSchema reproduces that:

* a wrong type is a 400 without causes (in Kubernetes the decoder fails), not a 422;
* what a schema says beyond types (`required`, keys of lists) is ignored: the rules are in each
  kind's `validate`;
* null in a map is an empty string, the zero value of Go;
* times and base64 are stored in one form, however they were written.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Any

from flotta.apiserver.errors import CauseLike, bad_request, wrong_type
from flotta.apiserver.json_object import JsonObject
from flotta.apiserver.schema import kubernetes
from flotta.apiserver.schema.nodes import Node, compile_root
from flotta.apiserver.schema.structural import Admission, StructuralSchema
from flotta.apiserver.timestamps import (
    MICRO_TIME_FORM,
    TIME_FORM,
    normalize_micro_time,
    normalize_time,
)

WRONG_TYPE = ("FieldValueTypeInvalid", "FieldValueInvalid")


class CoreSchema:
    """The schema of a core kind; `definition` is its name in Kubernetes' OpenAPI document."""

    def __init__(self, definition: str) -> None:
        self.openapi = kubernetes.schema_of(definition)
        self._root = compile_root(self.openapi)
        self._schema = StructuralSchema(_leave_out_bytes(self.openapi))

    def admit(
        self,
        obj: JsonObject,
        _subresource: str = "",
        _earlier: Iterable[CauseLike] = (),
        _old: JsonObject | None = None,
    ) -> Admission:
        """Prune an object and normalise its values. Raises a 400 StatusError at a wrong type."""
        admission = self._schema.admit(_decode(self._root, obj, ""))
        for cause in admission.causes:
            if cause.reason in WRONG_TYPE:
                raise bad_request(cause.message)
        return admission._replace(causes=[])


def _leave_out_bytes(schema: Any) -> Any:
    """Remove the format `byte`, which refuses the empty string: `_decode` checks base64."""
    if not isinstance(schema, dict):
        return schema
    return {
        key: _leave_out_bytes(value)
        for key, value in schema.items()
        if (key, value) != ("format", "byte")
    }


def _decode(node: Node, value: Any, path: str) -> Any:
    """Return a copy of `value` with its maps, times and base64 as they are stored."""
    if node.preserve:
        return value
    if isinstance(value, dict):
        return {key: _decode_field(node, key, item, path) for key, item in value.items()}
    if isinstance(value, list) and node.items is not None:
        return [_decode(node.items, item, f"{path}[{index}]") for index, item in enumerate(value)]
    if isinstance(value, str) and node.format == "date-time":
        return _decode_time(node, value, path)
    if isinstance(value, str) and node.format == "byte":
        return _decode_bytes(value, path)
    return value


def _decode_field(node: Node, key: str, item: Any, path: str) -> Any:
    where = f"{path}.{key}" if path else key
    if key in node.properties:
        return _decode(node.properties[key], item, where)
    if node.additional is not None:
        return _decode(node.additional, "" if item is None else item, where)
    return item


def _decode_time(node: Node, value: str, path: str) -> str:
    """Return a time as it is stored; the schema of a MicroTime has a pattern, a Time has none."""
    normalize = normalize_micro_time if node.pattern else normalize_time
    try:
        return normalize(value)
    except ValueError as error:
        expected = MICRO_TIME_FORM if node.pattern else TIME_FORM
        raise wrong_type(path, value, expected) from error


def _decode_bytes(value: str, path: str) -> str:
    try:
        return base64.b64encode(base64.b64decode(value, validate=True)).decode()
    except ValueError as error:  # binascii.Error, or characters beyond ASCII
        # Without the value, which is often a secret.
        raise bad_request(f"{path} must be base64") from error
