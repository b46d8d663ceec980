"""The contexts of a kubeconfig file, read only to explain why the file is not usable."""

from __future__ import annotations

import contextlib
from pathlib import Path

import yaml

from flotta.yaml_loader import load_yaml


def describe_missing_context(path: str, context: str | None) -> str:
    """Return a sentence if the file does not have the context (None: its current one), else ""."""
    with contextlib.suppress(OSError, yaml.YAMLError, TypeError, KeyError, ValueError):
        config = load_yaml(Path(path).read_bytes())
        names = [str(item["name"]) for item in config["contexts"]]
        wanted = context or config["current-context"]
        if names and wanted not in names:
            return f"{path} has no context {wanted}; use one of: {', '.join(names)}"
    return ""
