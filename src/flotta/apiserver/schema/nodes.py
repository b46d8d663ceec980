"""Structural schemas, compiled once into nodes that admission traverses."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from flotta.apiserver.json_object import JsonObject
from flotta.apiserver.schema.patterns import Pattern
from flotta.apiserver.schema.rules import Rule, compile_rule

# Keywords whose values a Node keeps unchanged, and its names for them.
OWN = {
    "type": "type",
    "nullable": "nullable",
    "format": "format",
    "minimum": "minimum",
    "maximum": "maximum",
    "minLength": "min_length",
    "maxLength": "max_length",
    "minItems": "min_items",
    "maxItems": "max_items",
    "maxProperties": "max_properties",
    "x-kubernetes-list-type": "list_type",
    "x-kubernetes-preserve-unknown-fields": "preserve",
}
LISTS = {"required": "required", "enum": "enum", "x-kubernetes-list-map-keys": "list_keys"}
UNDERSTOOD = {
    *OWN,
    *LISTS,
    "additionalProperties",
    "anyOf",
    "default",
    "description",
    "items",
    "pattern",
    "properties",
    "x-kubernetes-int-or-string",
    "x-kubernetes-map-type",
    "x-kubernetes-patch-merge-key",
    "x-kubernetes-patch-strategy",
    "x-kubernetes-validations",
}
NUMBER_TYPES = {"int-or-string": "integer,string"}


class SchemaError(ValueError):
    """A schema has a keyword that admission does not know."""


@dataclass(frozen=True, slots=True)
class Node:
    """A place in a schema. `type` is a JSON type or "int-or-string"; empty means any."""

    type: str = ""
    properties: dict[str, Node] = field(default_factory=dict)
    additional: Node | None = None
    items: Node | None = None
    required: tuple[str, ...] = ()
    defaults: JsonObject = field(default_factory=dict)
    nullable: bool = False
    preserve: bool = False
    enum: tuple[Any, ...] = ()
    format: str = ""
    minimum: float | None = None
    maximum: float | None = None
    min_length: int | None = None
    max_length: int | None = None
    pattern: Pattern | None = None
    min_items: int | None = None
    max_items: int | None = None
    max_properties: int | None = None
    list_type: str = "atomic"
    list_keys: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()
    has_rules: bool = False

    @property
    def types(self) -> str:
        """The type as in error messages."""
        return NUMBER_TYPES.get(self.type, self.type)


NOTHING = Node()


def compile_schema(schema: JsonObject, path: str = "") -> Node:
    """Compile `schema`. Raises SchemaError at a keyword that would silently be ignored."""
    unknown = sorted(set(schema) - UNDERSTOOD)
    if unknown:
        raise SchemaError(f"{path or 'the schema'} uses {', '.join(unknown)}")
    properties = {
        key: compile_schema(child, f"{path}.{key}")
        for key, child in schema.get("properties", {}).items()
    }
    additional = _compile_child(schema, "additionalProperties", path)
    items = _compile_child(schema, "items", path)
    rules = tuple(compile_rule(entry) for entry in schema.get("x-kubernetes-validations", ()))
    children = [*properties.values(), additional or NOTHING, items or NOTHING]
    return Node(
        **_own_keywords(schema),
        properties=properties,
        additional=additional,
        items=items,
        defaults=_find_defaults(schema),
        rules=rules,
        has_rules=bool(rules) or any(child.has_rules for child in children),
    )


def _own_keywords(schema: JsonObject) -> JsonObject:
    """Return the values of the keywords that concern the place itself."""
    own = {name: schema[keyword] for keyword, name in OWN.items() if keyword in schema}
    own |= {name: tuple(schema[keyword]) for keyword, name in LISTS.items() if keyword in schema}
    if "pattern" in schema:
        own["pattern"] = Pattern(schema["pattern"])
    if schema.get("x-kubernetes-int-or-string"):
        own["type"] = "int-or-string"
    return own


def compile_root(schema: JsonObject) -> Node:
    """Compile the schema of a whole object; `objects/metadata` checks its metadata."""
    properties = {
        "apiVersion": {"type": "string"},
        "kind": {"type": "string"},
        **schema.get("properties", {}),
        "metadata": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
    }
    return compile_schema({**schema, "properties": properties})


def _compile_child(schema: JsonObject, key: str, path: str) -> Node | None:
    child = schema.get(key)
    return None if child is None else compile_schema(child, f"{path}.{key}")


def _find_defaults(schema: JsonObject) -> JsonObject:
    properties = schema.get("properties", {})
    return {key: child["default"] for key, child in properties.items() if "default" in child}
