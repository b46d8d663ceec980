"""The contexts of a kubeconfig file, read only where it could not be used."""

from __future__ import annotations

import contextlib
from pathlib import Path

import yaml

from flotta.yaml_loader import load_yaml


def describe_missing_context(path: str, context: str | None) -> str:
    """Return a sentence when the file has no such context (None: its current one), else ""."""
    with contextlib.suppress(OSError, yaml.YAMLError, TypeError, KeyError, ValueError):
        config = load_yaml(Path(path).read_bytes())
        names = [str(item["name"]) for item in config["contexts"]]
        wanted = context or config["current-context"]
        if names and wanted not in names:
            return f"there is no context {wanted} in {path}; it has: {', '.join(names)}"
    return ""
