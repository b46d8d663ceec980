"""A module takes a failed import of flotta for programs of another release.

A wrong name there would mislead.
"""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

PLUGINS = Path(__file__).parents[2] / "collections/ansible_collections/flotta/edge/plugins"


def names_imported_by(file: Path) -> list[tuple[str, str]]:
    return [
        (node.module, alias.name)
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "flotta"
        for alias in node.names
    ]


@pytest.mark.parametrize("file", sorted(PLUGINS.glob("*/*.py")), ids=lambda file: file.stem)
def test_what_a_plugin_imports_of_flotta_exists(file: Path) -> None:
    for module, name in names_imported_by(file):
        assert hasattr(importlib.import_module(module), name), f"{module} has no {name}"
