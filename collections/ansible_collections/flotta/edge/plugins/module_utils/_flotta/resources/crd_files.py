# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# Copied by scripts/generate_module_utils.py from src/flotta/resources/crd_files.py: change that.
"""The files of the CRDs in the package: the only module that knows that they are YAML files.

In the collection, whose modules carry Python alone, a generated module takes its place.
"""

from __future__ import annotations

from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any

from ..yaml_loader import load_yaml

SUFFIX = ".yaml"


def list_crds() -> list[str]:
    """Return the names of all CRDs, sorted: their kinds in lower case."""
    files = (file.name for file in _folder().iterdir())
    return sorted(name.removesuffix(SUFFIX) for name in files if name.endswith(SUFFIX))


def read_crd(name: str) -> Any:
    """Return a CRD, which the caller may change; raises OSError when there is none of this name."""
    return load_yaml((_folder() / f"{name}{SUFFIX}").read_bytes())


def _folder() -> Traversable:
    return resources.files("flotta.resources") / "crds"
