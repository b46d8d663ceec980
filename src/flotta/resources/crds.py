"""The CustomResourceDefinitions that the package carries; scripts/generate_crds.py writes them."""

from __future__ import annotations

from importlib import resources
from typing import Any

import yaml

# libyaml reads the pod schema in a tenth of the time; not every platform's PyYAML has it.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def load() -> list[dict[str, Any]]:
    """Return every CRD as apiextensions.k8s.io/v1 object, in the order of their file names."""
    folder = resources.files("flotta.resources") / "crds"
    files = sorted(
        (entry for entry in folder.iterdir() if entry.name.endswith(".yaml")),
        key=lambda entry: entry.name,
    )
    return [yaml.load(entry.read_text(encoding="utf-8"), _Loader) for entry in files]  # noqa: S506 - a safe loader
