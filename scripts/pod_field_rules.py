"""Rules of the PodSpec that refuse what no device carries out, from `flotta.pod_fields`.

Each is at the field itself: an API server compares field by field, so what an EdgeWorkload of an
earlier release has there stays valid while it is unchanged (ratcheting, KEP-4008).
"""

from __future__ import annotations

import json
from typing import Any

from flotta.pod_fields.combinations import describe_exclusive, describe_needed
from flotta.pod_fields.field import Refusal
from flotta.pod_fields.table import Node, tree

Schema = dict[str, Any]
KEYWORD = "x-kubernetes-validations"
FORBIDDEN = "FieldValueForbidden"


def with_refusals(pod: Schema) -> Schema:
    """Return a PodSpec with the rules of the table, in place of those of an earlier table.

    Keywords of an earlier table stay: generate_crds.py with --kubernetes begins without them.
    """
    result: Schema = json.loads(json.dumps(pod))
    _apply(result, tree(), "")
    return result


def _apply(schema: Schema, node: Node, path: str) -> None:
    if path:  # the rules of the whole PodSpec are not from the table
        schema.pop(KEYWORD, None)
    refusals = node.row.refusals if node.row else ()
    for refusal in refusals:
        if refusal.before is None:
            _refuse(schema, refusal, is_often=_occurs_often(path))
    if node.exclusive:
        _exclude(schema, node, is_often=_occurs_often(path))
    for name, below in schema.get("properties", {}).items():
        _apply(below, node.below.get(name, Node()), f"{path}.{name}")
    if "items" in schema:
        _apply(schema["items"], node.below.get("[]", Node()), f"{path}[]")


def _occurs_often(path: str) -> bool:
    """Tell whether a field is in a list without a limit: a rule would count for each item."""
    return "[]" in path.removeprefix(".initContainers[]").removeprefix(".containers[]")


def _refuse(schema: Schema, refusal: Refusal, *, is_often: bool) -> None:
    keywords = refusal.unless.keywords
    # A rule about a text of any length would cost too much everywhere.
    if keywords and (is_often or "pattern" in keywords):
        schema.update(keywords)
        return
    rule = {"rule": refusal.unless.rule, "message": refusal.message, "reason": FORBIDDEN}
    schema.setdefault(KEYWORD, []).append(rule)


def _exclude(schema: Schema, node: Node, *, is_often: bool) -> None:
    """Let at most one of the exclusive fields be set, where the schema can say that."""
    fields = node.exclusive
    if not is_often:
        listed = ", ".join(f"has(self.{name})" for name in fields)
        rule = f"[{listed}].filter(is_set, is_set).size() {'==' if node.is_needed else '<='} 1"
        message = (describe_needed if node.is_needed else describe_exclusive)(node.choices)
        schema.setdefault(KEYWORD, []).append({"rule": rule, "message": message})
        return
    required, places = set(schema.get("required", ())), schema["properties"]
    others = [name for name in places if name not in fields]
    is_counted = all(
        name in required or (name in node.below and node.below[name].is_refused) for name in others
    )
    # An empty text means the same as none, but counts.
    if is_counted and all(places[name]["type"] == "object" for name in fields):
        schema["maxProperties"] = len(required) + 1
