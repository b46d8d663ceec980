"""The CEL rules of our own CRDs (docs/reference/crds.md) as Python predicates.

kube-apiserver evaluates `x-kubernetes-validations` (KEP-2876). This engine serves a fixed set of
CRDs whose few rules are repeated here, by the text of the rule. A CRD with another rule is refused
when it is loaded, so that no rule is skipped silently.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

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
LABEL_KEY = Pattern(
    "^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$"
)
LABEL_KEYS = f"self.all(key, key.matches('{LABEL_KEY.text}'))"


class UnknownRuleError(ValueError):
    """A CRD has a rule without a predicate in this module."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule: its predicate, and the error if it does not hold."""

    predicate: Callable[[JsonObject], bool]
    reason: str
    message: str

    def holds(self, value: JsonObject) -> bool:
        """Tell whether the rule holds for an object.

        It does not for one with a part that is missing or of another type, which an object of an
        earlier schema may have.
        """
        try:
            return self.predicate(value)
        except (AttributeError, KeyError, TypeError):
            return False


def compile_rule(entry: Mapping[str, str]) -> Rule:
    """Return the rule of an entry of x-kubernetes-validations. Raises UnknownRuleError."""
    predicate = PREDICATES.get(entry["rule"])
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


def _label_keys(labels: JsonObject) -> bool:
    return all(LABEL_KEY.matches(key) for key in labels)


PREDICATES = {
    NAMES_OR_CLAIM: _names_or_claim,
    OWN_NAMES: _own_names,
    VALUES_FIT: _values_fit,
    LABEL_KEYS: _label_keys,
}
