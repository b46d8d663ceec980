"""YAML as Kubernetes reads it: only the types of JSON, so a date stays text."""

from __future__ import annotations

from typing import Any

import yaml

BASE: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Loader(BASE):  # type: ignore[misc]
    """PyYAML's safe loader without the type timestamp, in C if available."""


Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def load_yaml(text: str | bytes) -> Any:
    """Return the only document of a YAML text. Raises yaml.YAMLError for anything else."""
    return yaml.load(text, Loader)  # noqa: S506 - a safe loader
