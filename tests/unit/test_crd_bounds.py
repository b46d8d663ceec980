"""Every text and list that devices or rules deal with has a limit in the CRDs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from flotta.resources import crds

Schema = dict[str, Any]
KINDS = {crd["spec"]["names"]["kind"]: crd for crd in crds.load()}
# What a device says: all of its status, and what it says when it enrols.
REPORTED = [("EdgeDevice", "status"), ("EdgeDeviceSignedRequest", "spec", "features")]
REPORTED += [("EdgeDeviceSignedRequest", "status"), ("PlaybookExecution", "status")]


def schema_at(kind: str, *path: str) -> Schema:
    version = KINDS[kind]["spec"]["versions"][0]  # type: ignore[index]
    node: Schema = version["schema"]["openAPIV3Schema"]
    for step in path:
        node = node["properties"][step]
    return node


def below(node: Schema, path: str) -> Iterator[tuple[str, Schema]]:
    """Yield each place of a schema with its path."""
    yield path, node
    for name, child in node.get("properties", {}).items():
        yield from below(child, f"{path}.{name}")
    for keyword in ("items", "additionalProperties"):
        if isinstance(child := node.get(keyword), dict):
            yield from below(child, f"{path}[]")


def unbounded(node: Schema, path: str) -> list[str]:
    """Return the places below a node whose size has no limit."""
    return [place for place, schema in below(node, path) if not is_bounded(schema)]


def is_bounded(schema: Schema) -> bool:
    kind = schema.get("type")
    if kind == "string":
        return "maxLength" in schema or "enum" in schema or schema.get("format") == "date-time"
    if kind == "array":
        return "maxItems" in schema
    return "maxProperties" in schema if "additionalProperties" in schema else True


@pytest.mark.parametrize("place", REPORTED, ids=".".join)
def test_everything_that_a_device_reports_has_a_limit(place: tuple[str, ...]) -> None:
    assert unbounded(schema_at(*place), ".".join(place)) == []


READS_ALL = re.compile(r"\b(all|exists|matches)\(")  # other rules cost the same for every value


def ranged(schema: Schema, rule: str) -> Iterator[tuple[str, Schema]]:
    """Yield what a rule reads: the fields of `self` by their names, or all of a map or list."""
    yield "", {key: value for key, value in schema.items() if key not in ("properties", "items")}
    for name, child in schema.get("properties", {}).items():
        if f".{name}" in rule or f" {name}" in rule:
            yield name, child


def test_every_rule_ranges_over_what_has_a_limit() -> None:
    """The cost of a rule is estimated by these limits, and without them by the request's size."""
    rules, found = 0, []
    for kind in KINDS:
        for path, schema in below(schema_at(kind), kind):
            for rule in schema.get("x-kubernetes-validations", ()):
                rules += 1
                if not READS_ALL.search(rule["rule"]):
                    continue
                for name, field in ranged(schema, rule["rule"]):
                    found += [f"{path}.{name}" for _ in [0] if not is_bounded(field)]
                    found += names_without_limit(field, f"{path}.{name}", rule["rule"])
    assert rules >= 4
    assert found == []


def names_without_limit(field: Schema, path: str, rule: str) -> list[str]:
    """Return the fields of a list's items that the rule compares, if they have no limit."""
    items = field.get("items", {})
    fields = items.get("properties", {})
    used = {name: child for name, child in fields.items() if f".{name} " in f"{rule} "}
    return [
        *(f"{path}[].{name}" for name, child in used.items() if not is_bounded(child)),
        *([f"{path}[]"] if items and not is_bounded(items) else []),
    ]
