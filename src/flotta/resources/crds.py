"""The CustomResourceDefinitions that the package carries; scripts/generate_crds.py writes them."""

from __future__ import annotations

from importlib import resources
from typing import Any

from ..yaml_loader import load_yaml


def load() -> list[dict[str, Any]]:
    """Return every CRD as apiextensions.k8s.io/v1 object, in the order of their file names."""
    folder = resources.files("flotta.resources") / "crds"
    files = sorted(
        (file for file in folder.iterdir() if file.name.endswith(".yaml")),
        key=lambda file: file.name,
    )
    return [load_yaml(file.read_bytes()) for file in files]
