"""Admission of an object by its structural schema: what is stored, and what is refused.

Rules: Kubernetes' structural schemas (pruning, defaulting, nullable, list types, int-or-string,
validation rules). Errors have the reasons, messages and fields of Kubernetes 1.36; their order has
no meaning, as in Kubernetes. A list in place of a string with a format is a type error, a
deliberate difference (docs/reference/resource-api.md#differences-from-kube-apiserver).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, NamedTuple

from flotta.apiserver.errors import Cause, CauseLike
from flotta.apiserver.json_object import JsonObject
from flotta.apiserver.schema.checks import NO_FIELD, check_value
from flotta.apiserver.schema.nodes import Node, compile_root
from flotta.apiserver.schema.pruning import shape_value

BLOCKING = {
    "FieldValueNotSupported",
    "FieldValueRequired",
    "FieldValueTooLong",
    "FieldValueTooMany",
    "FieldValueTypeInvalid",
}
RULES_NOT_CHECKED = Cause(
    "FieldValueInvalid",
    "Invalid value: null: some validation rules were not checked because the object was invalid; "
    "correct the existing errors to complete validation",
    NO_FIELD,
)


class Admission(NamedTuple):
    """The object in its stored form, the sorted paths of removed fields, and all errors."""

    obj: JsonObject
    unknown: list[str]
    causes: list[Cause]


class StructuralSchema:
    """The schema of one kind, compiled once; `admit` takes well under a millisecond for a pod."""

    def __init__(self, openapi_v3_schema: JsonObject) -> None:
        self._root = compile_root(openapi_v3_schema)

    def admit(
        self, obj: JsonObject, subresource: str = "", earlier: Iterable[CauseLike] = ()
    ) -> Admission:
        """Prune, default and validate `obj`, which is not changed; the result shares its metadata.

        With subresource "status" only errors in the status count. As in Kubernetes, their field
        has the prefix `status.` and their text does not. Validation rules are not checked if there
        are errors, `earlier` ones of the metadata included.
        """
        unknown: list[str] = []
        causes: list[Cause] = []
        stored = shape_value(self._root, obj, "", unknown)
        check_value(self._root, stored, "", causes)
        if subresource:
            causes = _keep_causes_within(subresource, causes)
        if self._root.has_rules:
            causes += _check_rules(self._root, stored, [*earlier, *causes])
        return Admission(stored, sorted(unknown), causes)


def _keep_causes_within(part: str, causes: list[Cause]) -> list[Cause]:
    """Return the causes about `part`, with paths inside it in their texts."""
    inside = re.compile(rf"(?<=[ \"]){part}\.(?=.* (?:in body|must validate)|[^ ]*$)")
    return [
        replace(cause, message=inside.sub("", cause.message, count=1))
        for cause in causes
        if cause.field == part
        or cause.field.startswith(f"{part}.")
        or (cause.field == NO_FIELD and inside.search(cause.message))
    ]


def _check_rules(root: Node, stored: JsonObject, causes: Iterable[CauseLike]) -> list[Cause]:
    if any(cause.reason in BLOCKING for cause in causes):
        return [RULES_NOT_CHECKED]
    found: list[Cause] = []
    _follow_rules(root, stored, "", found)
    return found


def _follow_rules(node: Node, value: Any, path: str, found: list[Cause]) -> None:
    if isinstance(value, list):
        for index, item in enumerate(value):
            _follow_rules_below(node.items, item, f"{path}[{index}]", found)
    if not isinstance(value, dict):
        return
    found.extend(
        Cause(rule.reason, rule.message, path) for rule in node.rules if not rule.holds(value)
    )
    for key, item in value.items():
        child = node.properties.get(key) or node.additional
        _follow_rules_below(child, item, f"{path}.{key}" if path else key, found)


def _follow_rules_below(node: Node | None, value: Any, path: str, found: list[Cause]) -> None:
    if node is not None and node.has_rules:
        _follow_rules(node, value, path, found)
