"""Rules of the PodSpec that refuse what no device carries out, from `flotta.pod_fields`.

Each is at the field itself: an API server compares field by field, so what an EdgeWorkload of an
earlier release has there stays valid while it is unchanged (ratcheting, KEP-4008).
"""

from __future__ import annotations

import json
from typing import Any

from flotta.pod_fields.field import Refusal
from flotta.pod_fields.table import Node, tree

Schema = dict[str, Any]
KEYWORD = "x-kubernetes-validations"
FORBIDDEN = "FieldValueForbidden"


def with_refusals(pod: Schema) -> Schema:
    """Return a PodSpec with the rules of the table, in place of those of an earlier table."""
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
