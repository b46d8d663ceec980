"""The CEL rules of our own CRDs (docs/reference/crds.md) as Python predicates.

kube-apiserver evaluates `x-kubernetes-validations` (KEP-2876). This engine serves a fixed set of
CRDs. Rules about one value have one of few forms; the others are repeated here, by the text of the
rule. A CRD with another rule is refused when it is loaded, so that no rule is skipped silently.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from flotta.apiserver.json_object import JsonObject
from flotta.apiserver.schema.patterns import Pattern

NAMES_OR_CLAIM = (
    "!(has(self.createOBC) && self.createOBC) || "
    "((!has(self.secretName) || self.secretName == '') && "
    "(!has(self.configMapName) || self.configMapName == ''))"
)
OWN_NAMES = (
    "!has(self.initContainers) || "
    "!self.initContainers.exists(i, self.containers.exists(c, c.name == i.name))"
)
VALUES_FIT = (
    "self.operator in ['In', 'NotIn'] ? has(self.values) && size(self.values) > 0 : "
    "!has(self.values) || size(self.values) == 0"
)
Predicate = Callable[[Any], bool]  # of a value of the type that the schema has there


class UnknownRuleError(ValueError):
    """A CRD has a rule without a predicate in this module."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule: its predicate, and the error if it does not hold."""

    predicate: Predicate
    reason: str
    message: str

    def holds(self, value: Any) -> bool:
        """Tell whether the rule holds for a value.

        It does not for one with a part that is missing or of another type, which an object of an
        earlier schema may have.
        """
        try:
            return self.predicate(value)
        except (AttributeError, KeyError, TypeError):
            return False


def compile_rule(entry: Mapping[str, str]) -> Rule:
    """Return the rule of an entry of x-kubernetes-validations. Raises UnknownRuleError."""
    predicate = PREDICATES.get(entry["rule"]) or _compile_form(entry["rule"])
    if predicate is None:
        raise UnknownRuleError(f"no predicate for the rule {entry['rule']!r}")
    reason = entry.get("reason", "FieldValueInvalid")
    prefix = "Forbidden" if reason == "FieldValueForbidden" else "Invalid value"
    return Rule(predicate, reason, f"{prefix}: {entry['message']}")


def _names_or_claim(s3: JsonObject) -> bool:
    return not (s3.get("createOBC") and (s3.get("secretName") or s3.get("configMapName")))


def _own_names(pod: JsonObject) -> bool:
    first = {container["name"] for container in pod.get("initContainers", ())}
    return not any(container["name"] in first for container in pod["containers"])


def _values_fit(requirement: JsonObject) -> bool:
    return bool(requirement.get("values")) == (requirement["operator"] in ("In", "NotIn"))


def _compile_form(rule: str) -> Predicate | None:
    """Return the predicate of a rule about one value, None for a rule of another form."""
    for form, make in FORMS.items():
        if found := re.fullmatch(form, rule):
            return make(*found.groups())
    return None


def _is_listed(listed: str) -> Predicate:
    values = ast.literal_eval(f"[{listed}]")  # CEL and Python write texts and numbers alike
    return lambda value: value in values


def _is_between(low: str, high: str) -> Predicate:
    return lambda value: int(low) <= value <= int(high)


def _matches(text: str) -> Predicate:
    pattern = Pattern(ast.literal_eval(text))
    return lambda value: pattern.matches(value)


def _all_keys_match(text: str) -> Predicate:
    matches = _matches(text)
    return lambda value: all(matches(key) for key in value)


def _has_one(listed: str, operator: str) -> Predicate:
    fields, allowed = re.findall(r"self\.(\w+)", listed), (1,) if operator == "==" else (0, 1)
    return lambda value: sum(value.get(name) is not None for name in fields) in allowed


PREDICATES = {
    NAMES_OR_CLAIM: _names_or_claim,
    OWN_NAMES: _own_names,
    VALUES_FIT: _values_fit,
}
HAS = r"has\(self\.\w+\)"
TEXT = r"""'[^']*'|"[^"]*\""""
FORMS: dict[str, Callable[..., Predicate]] = {
    "false": lambda: lambda _: False,
    "self": lambda: lambda value: value is True,
    "!self": lambda: lambda value: value is False,
    rf"\[({HAS}(?:, {HAS})*)\]\.filter\(is_set, is_set\)\.size\(\) (<=|==) 1": _has_one,
    r"size\(self\) == 0": lambda: lambda value: len(value) == 0,
    r"self in \[([^\[\]]*)\]": _is_listed,
    r"self >= (\d+) && self <= (\d+)": _is_between,
    rf"self\.matches\(({TEXT})\)": _matches,
    rf"self\.all\(key, key\.matches\(({TEXT})\)\)": _all_keys_match,
}
