"""docs/reference/edge-api.openapi.yaml, as tests read it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema.protocols import Validator
from openapi_schema_validator import OAS31Validator

PATH = Path(__file__).parents[1] / "docs" / "reference" / "edge-api.openapi.yaml"


@cache
def document() -> dict[str, Any]:
    """Return the document; nobody may change it."""
    loaded: dict[str, Any] = yaml.safe_load(PATH.read_text())
    return loaded


def validator(schema: str) -> Validator:
    """Return the validator of a schema of the document."""
    reference = {"$ref": f"#/components/schemas/{schema}"}
    return OAS31Validator({**reference, "components": document()["components"]})


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield method, path and operation of the document."""
    for path, item in document()["paths"].items():
        for method in item:
            if method != "parameters":
                yield method, path, item[method]


def resolved(part: dict[str, Any]) -> dict[str, Any]:
    """Return what a `$ref` names, and anything else as it is."""
    found: dict[str, Any] = part
    if "$ref" in part:
        found = document()
        for key in part["$ref"].removeprefix("#/").split("/"):
            found = found[key]
    return found
