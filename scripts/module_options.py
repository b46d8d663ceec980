"""The fields of a CRD's spec as options of a module: what Ansible checks, and what it documents.

Options have the names, types and choices of the fields. They have no defaults: Ansible would send
those as if the user had written them, so the text says what the API does without a value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_markup import to_sentence, to_sentences

Schema = Mapping[str, Any]  # OpenAPI v3
TYPES = {"string": "str", "integer": "int", "number": "float", "boolean": "bool"}
NOUNS = {"str": "a string", "int": "an integer", "float": "a number", "bool": "a boolean"}
NOUNS |= {"dict": "a dictionary", "list": "a list"}
PENDING = "Devices do not carry this out yet."
# What ansible-test takes for the name of a secret; ours are names of objects and keys of labels.
LOOKS_SECRET = re.compile(r"pass(?!ive)|secret|token|key", re.IGNORECASE)
# Keywords that are no type, or that the API explains when it refuses a value.
SILENT = {
    *("type", "description", "properties", "items", "additionalProperties", "required", "enum"),
    *("default", "minimum", "maximum", "maxLength", "maxItems", "maxProperties", "pattern"),
    *("format", "x-kubernetes-validations", "x-kubernetes-list-type", "x-kubernetes-map-type"),
}


@dataclass
class Option:
    """A field as an option; `options` are the fields below it or below each of its elements."""

    type: str
    description: list[str]
    elements: str | None = None
    required: bool = False
    choices: list[str] | None = None
    no_log: bool | None = None
    options: dict[str, Option] = field(default_factory=dict)

    @property
    def argument(self) -> dict[str, Any]:
        """What AnsibleModule checks."""
        below = {name: option.argument for name, option in self.options.items()}
        return self._facts({"no_log": self.no_log}, "options", below)

    @property
    def documentation(self) -> dict[str, Any]:
        """What a module's DOCUMENTATION says."""
        below = {name: option.documentation for name, option in self.options.items()}
        return {"description": self.description, **self._facts({}, "suboptions", below)}

    def _facts(self, more: dict[str, Any], key: str, below: dict[str, Any]) -> dict[str, Any]:
        facts: dict[str, Any] = {"type": self.type, "elements": self.elements}
        facts |= {"required": self.required or None, "choices": self.choices}
        facts |= {**more, key: below or None}
        return {name: value for name, value in facts.items() if value is not None}


@dataclass
class Fields:
    """Makes options of the fields of a spec; `raw` are those that are passed on as they are."""

    raw: Mapping[str, list[str]]  # path → description
    left_out: Mapping[str, str]  # path → why
    paths: dict[str, str] = field(default_factory=dict)  # of the names that only one field has

    def options_of(self, spec: Schema) -> dict[str, Option]:
        """Return the options of a spec."""
        found: dict[str, list[str]] = {}
        for path in self._walk(spec, "spec"):
            found.setdefault(path.rpartition(".")[2], []).append(path)
        self.paths = {name: paths[0] for name, paths in found.items() if len(paths) == 1}
        return self._below(spec, "spec", pending=False)

    def _walk(self, schema: Schema, path: str) -> Iterator[str]:
        for name, value in schema.get("properties", {}).items():
            below = f"{path}.{name}"
            if below not in self.left_out:
                yield below
                yield from self._walk(value if below not in self.raw else {}, below)
                yield from self._walk(value.get("items", {}), below)

    def _below(self, schema: Schema, path: str, *, pending: bool) -> dict[str, Option]:
        required = schema.get("required", ())
        return {
            name: self._option(value, f"{path}.{name}", name in required, pending)
            for name, value in schema.get("properties", {}).items()
            if f"{path}.{name}" not in self.left_out
        }

    def _option(self, schema: Schema, path: str, required: bool, pending: bool) -> Option:
        if path in self.raw:
            return Option("dict", self.raw[path], required=required)
        _require_known(schema, path)
        make: Callable[[Schema, str, bool], Option] = {
            "object": self._dictionary,
            "array": self._list,
        }.get(schema["type"], self._scalar)
        is_pending = pending or PENDING in schema.get("description", "")
        option = make(schema, path, is_pending)
        option.required = required
        option.description = self._describe(schema, path, pending) + option.description
        return option

    def _scalar(self, schema: Schema, path: str, pending: bool) -> Option:
        type_, choices = TYPES[schema["type"]], schema.get("enum")
        secret = type_ == "str" and choices is None and LOOKS_SECRET.search(path.rpartition(".")[2])
        return Option(type_, [*_limits(schema)], choices=choices, no_log=False if secret else None)

    def _dictionary(self, schema: Schema, path: str, pending: bool) -> Option:
        values = schema.get("additionalProperties")
        text = self._describe_values(values, path) if values else []
        below = self._below(schema, path, pending=pending)
        # An object whose field has the name of a secret is not one either.
        secret = LOOKS_SECRET.search(path.rpartition(".")[2])
        return Option("dict", text, options=below, no_log=False if secret else None)

    def _list(self, schema: Schema, path: str, pending: bool) -> Option:
        items = schema["items"]
        if items["type"] == "object":
            below, rules = (
                self._below(items, path, pending=pending),
                self._mark(_rules(items), path),
            )
            return Option("list", rules, elements="dict", options=below)
        return Option("list", [], elements=TYPES[items["type"]])

    def _describe(self, schema: Schema, path: str, pending: bool) -> list[str]:
        """Return the description of a field, what it does not inherit, and its rules."""
        text = schema.get("description", "")
        if pending:  # said above it
            text = text.replace(PENDING, "").strip()
        if not text:
            raise ValueError(f"{path} has no description")
        return self._mark([text, *_rules(schema)], path, schema.get("enum", ()))

    def _describe_values(self, values: Schema, path: str) -> list[str]:
        """Return what the values of a map may be."""
        if values["type"] != "object":
            return []
        inner = Fields({}, {}, self.paths)._below(values, f"{path}.KEY", pending=True)
        entries = [_describe_entry(name, option) for name, option in inner.items()]
        return ["Each value is a dictionary of the following.", *entries]

    def _mark(self, texts: list[str], path: str, values: Any = ()) -> list[str]:
        return [
            sentence for text in texts for sentence in to_sentences(text, path, self.paths, values)
        ]


def _describe_entry(name: str, option: Option) -> str:
    """Return what a field of a map's values is, with those of an object."""
    values = ", ".join(f"V({value})" for value in option.choices or ())
    head = f"C({name}), {values or NOUNS[option.type]}: {' '.join(option.description)}"
    return " ".join(
        [head, *(_describe_entry(f"{name}.{key}", of) for key, of in option.options.items())]
    )


def _rules(schema: Schema) -> list[str]:
    """Return the messages of a schema's validation rules as sentences."""
    return [to_sentence(rule["message"]) for rule in schema.get("x-kubernetes-validations", ())]


def _limits(schema: Schema) -> Iterator[str]:
    if "default" in schema:
        yield f"When omitted, the API sets V({schema['default']})."
    if "maximum" in schema:
        least = f"From V({schema['minimum']}) to" if "minimum" in schema else "At most"
        yield f"{least} V({schema['maximum']})."
    elif schema.get("minimum", 0) > 0:
        yield f"At least V({schema['minimum']})."


def _require_known(schema: Schema, path: str) -> None:
    """Raise ValueError for what these options could not say, such as a quantity."""
    unknown = set(schema) - SILENT
    if unknown or schema.get("type") not in {*TYPES, "object", "array"}:
        raise ValueError(
            f"{path}: an option has no form for {', '.join(sorted(unknown)) or 'this type'}; "
            f"add one to {__name__}.py"
        )
