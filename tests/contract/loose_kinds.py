"""Our kinds as they would be without limits and rules; as a program, an engine that serves them."""

from __future__ import annotations

from typing import Any

from flotta.cli import apiserver
from flotta.resources import crds

load_strict = crds.load
LIMITS = {
    *("maxLength", "minLength", "maxItems", "minItems", "maxProperties", "minimum", "maximum"),
    *("pattern", "enum", "format", "x-kubernetes-validations"),
}


def loosened(schema: Any) -> Any:
    """Return a schema without limits and rules."""
    if isinstance(schema, list):
        return [loosened(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {key: loosened(value) for key, value in schema.items() if key not in LIMITS}


def load_loose() -> list[Any]:
    found = load_strict()
    for crd in found:
        for version in crd["spec"]["versions"]:
            version["schema"] = loosened(version["schema"])
    return found


if __name__ == "__main__":
    crds.load = load_loose
    apiserver.main()
