"""The keys allowed in scripts/crds: in `{…}`, an unquoted comma turns a sentence into keys.

YAML reads `{type: string, description: Name, as given.}` as three keys, the last of which has no
value, and a Kubernetes API server drops unknown keywords.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

# The keywords of a CRD's schema that our kinds use, and two of the generator.
KEYWORDS = {
    *("$use", "$pending", "type", "description", "format", "default", "enum", "pattern"),
    *("properties", "additionalProperties", "items", "anyOf", "required"),
    *("minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems"),
    *("minProperties", "maxProperties", "nullable", "uniqueItems"),
    *("x-kubernetes-list-type", "x-kubernetes-list-map-keys", "x-kubernetes-map-type"),
    *("x-kubernetes-int-or-string", "x-kubernetes-validations"),
}
KIND_KEYS = {
    *("group", "kind", "plural", "shortNames", "description", "columns", "required"),
    *("spec", "status"),
    "example",  # a manifest, for the page alone
}
COLUMN_KEYS = {"name", "type", "path", "description", "priority"}


def check_kind(source: dict[str, Any], file: str) -> None:
    """Raise ValueError with a sentence for each unknown key of a kind's file."""
    wrong = [*_unknown(source, KIND_KEYS, "")]
    for number, column in enumerate(source["columns"]):
        wrong += _unknown(column, COLUMN_KEYS, f"columns[{number}]")
    for part in ("spec", "status"):
        wrong += _walk(source[part], part)
    _refuse(wrong, file)


def check_shared(schemas: dict[str, Any], file: str) -> None:
    """Raise ValueError with a sentence for each unknown key of shared.yaml."""
    _refuse([line for name, schema in schemas.items() for line in _walk(schema, name)], file)


def _refuse(wrong: list[str], file: str) -> None:
    if wrong:
        raise ValueError("\n".join(f"{file}: {line}" for line in wrong))


def _walk(schema: object, path: str) -> Iterator[str]:
    """Yield a sentence for each wrong keyword of a schema and of the schemas in it."""
    if not isinstance(schema, dict):
        yield f"{path} must be a schema, not {schema!r}."
        return
    yield from _unknown(schema, KEYWORDS, path)
    for name, field in schema.get("properties", {}).items():
        yield from _walk(field, f"{path}.properties.{name}")
    for keyword in ("items", "additionalProperties"):
        if not isinstance(schema.get(keyword, True), bool):
            yield from _walk(schema[keyword], f"{path}.{keyword}")
    for number, choice in enumerate(schema.get("anyOf", ())):
        yield from _walk(choice, f"{path}.anyOf[{number}]")


def _unknown(keys: Collection[str], known: set[str], path: str) -> Iterator[str]:
    for key in keys:
        if key not in known:
            place = f"{path}.{key}" if path else key
            yield (
                f"{place} is not a known keyword: put text that contains a comma into quotes, "
                "or add the keyword to scripts/schema_keywords.py."
            )
