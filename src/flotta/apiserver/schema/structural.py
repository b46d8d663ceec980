"""Admission of an object by its structural schema: what is stored, and what is refused.

Rules: Kubernetes' structural schemas (pruning, defaulting, nullable, list types, int-or-string,
validation rules, ratcheting). Errors have the reasons, messages and fields of Kubernetes 1.36;
their order has no meaning, as in Kubernetes. A list in place of a string with a format is a type
error, a deliberate difference (docs/reference/resource-api.md#differences-from-kube-apiserver).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from flotta.apiserver.errors import Cause, CauseLike
from flotta.apiserver.json_object import JsonObject
from flotta.apiserver.schema.checks import DUPLICATE, NO_FIELD, check_value
from flotta.apiserver.schema.nodes import Node, compile_root
from flotta.apiserver.schema.pruning import shape_value
from flotta.apiserver.schema.ratcheting import NO_VALUE, is_unchanged, old_field, old_items
from flotta.apiserver.schema.rules import Rule

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
    """The object in its stored form, the sorted paths of removed fields, and all errors.

    `warnings` are broken rules that do not count, because the object broke them before.
    """

    obj: JsonObject
    unknown: list[str]
    causes: list[Cause]
    warnings: list[str]


class StructuralSchema:
    """The schema of one kind, compiled once; `admit` takes well under a millisecond for a pod."""

    def __init__(self, openapi_v3_schema: JsonObject) -> None:
        self._root = compile_root(openapi_v3_schema)

    def admit(
        self,
        obj: JsonObject,
        subresource: str = "",
        earlier: Iterable[CauseLike] = (),
        old: JsonObject | None = None,
    ) -> Admission:
        """Prune, default and validate `obj`, which is not changed; the result shares its metadata.

        With subresource "status" only errors in the status count. As in Kubernetes, their field
        has the prefix `status.` and their text does not. Validation rules are not checked if there
        are errors, `earlier` ones of the metadata included. What is wrong in a part that stands so
        in `old`, the stored object, does not count (see `ratcheting`).
        """
        unknown: list[str] = []
        stored = shape_value(self._root, obj, "", unknown)
        causes, warnings = self._judge(stored, NO_VALUE, subresource, earlier)
        if causes and old is not None:
            before = shape_value(self._root, old, "", [])
            causes, warnings = self._judge(stored, before, subresource, earlier)
        return Admission(stored, sorted(unknown), causes, warnings)

    def _judge(
        self, stored: JsonObject, before: Any, subresource: str, earlier: Iterable[CauseLike]
    ) -> tuple[list[Cause], list[str]]:
        """Return errors and warnings about an object that was `before` (NO_VALUE if it is new)."""
        causes = self._find_causes(stored, before)
        if before is not NO_VALUE and self._has_duplicates(before):
            # Kubernetes compares no list for duplicates if the stored object has any.
            causes = [cause for cause in causes if cause.reason != DUPLICATE]
        if subresource:
            causes = _keep_causes_within(subresource, causes)
        broken = _BrokenRules()
        if self._root.has_rules:
            _check_rules(self._root, stored, before, [*earlier, *causes], broken)
        return [*causes, *broken.causes], broken.warnings

    def _find_causes(self, stored: JsonObject, before: Any = NO_VALUE) -> list[Cause]:
        causes: list[Cause] = []
        check_value(self._root, stored, "", causes, before)
        return causes

    def _has_duplicates(self, before: JsonObject) -> bool:
        return any(cause.reason == DUPLICATE for cause in self._find_causes(before))


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


class _Place(NamedTuple):
    """The innermost place around a value that correlates with the stored object."""

    node: Node
    new: Any
    old: Any


@dataclass
class _BrokenRules:
    """What rules say about an object: errors, and warnings about what stood so before."""

    causes: list[Cause] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def check(self, rule: Rule, value: Any, path: str, place: _Place) -> None:
        """Note the rule if it does not hold for the value."""
        if rule.holds(value):
            return
        if is_unchanged(*place):
            self.warnings.append(f"{path}: {rule.message}")
        else:
            self.causes.append(Cause(rule.reason, rule.message, path))


def _check_rules(
    root: Node, stored: JsonObject, before: Any, causes: Iterable[CauseLike], broken: _BrokenRules
) -> None:
    if any(cause.reason in BLOCKING for cause in causes):
        broken.causes.append(RULES_NOT_CHECKED)
    else:
        _follow_rules(root, stored, "", _Place(root, stored, before), broken)


def _follow_rules(node: Node, value: Any, path: str, place: _Place, broken: _BrokenRules) -> None:
    for rule in node.rules if value is not None else ():
        broken.check(rule, value, path, place)
    if isinstance(value, list):
        before = old_items(node, value, place.old if place.node is node else NO_VALUE)
        for index, (item, old) in enumerate(zip(value, before, strict=True)):
            _follow_rules_below(node.items, item, f"{path}[{index}]", old, place, broken)
    if not isinstance(value, dict):
        return
    for key, item in value.items():
        child = node.properties.get(key) or node.additional
        old = old_field(place.old, key) if place.node is node else NO_VALUE
        below = f"{path}.{key}" if path else key
        _follow_rules_below(child, item, below, old, place, broken)


def _follow_rules_below(
    node: Node | None, value: Any, path: str, old: Any, place: _Place, broken: _BrokenRules
) -> None:
    if node is None or not node.has_rules:
        return
    inner = place if old is NO_VALUE else _Place(node, value, old)
    _follow_rules(node, value, path, inner, broken)
