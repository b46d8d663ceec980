"""The tasks in EXAMPLES of modules have options that exist, down to the fields of a spec."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

PLUGINS = Path(__file__).parents[2] / "collections/ansible_collections/flotta/edge/plugins"
MODULES = sorted(PLUGINS.glob("modules/*.py"))
PREFIX = "flotta.edge."
BLOCKS = {"DOCUMENTATION", "EXAMPLES", "WAITING", "CERTIFICATES"}


def blocks(file: Path) -> dict[str, Any]:
    """Return the documentation blocks of a plugin by their names."""
    named = [
        (ast.unparse(node.targets[0]), node.value)
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Assign)
    ]
    return {
        name: yaml.safe_load(ast.literal_eval(value))
        for name, value in named
        if name in BLOCKS and isinstance(value, ast.Constant)
    }


@cache
def options_of(module: str) -> dict[str, Any]:
    """Return the options of a module with those of its fragments."""
    document = blocks(PLUGINS / f"modules/{module}.py")["DOCUMENTATION"]
    options: dict[str, Any] = {}
    for name in document.get("extends_documentation_fragment", ()):
        _, _, fragment, *rest = name.split(".")
        parts = blocks(PLUGINS / f"doc_fragments/{fragment}.py")
        found = parts[rest[0].upper() if rest else "DOCUMENTATION"].get("options", {})
        options |= found
    for name, option in document.get("options", {}).items():
        options[name] = {**options.get(name, {}), **option}
    return options


def unknown(given: Any, options: Mapping[str, Any]) -> Iterator[str]:
    """Yield the paths of what a task gives and the documentation does not have."""
    for item in given if isinstance(given, list) else [given]:
        for name, value in item.items() if isinstance(item, dict) else ():
            if name not in options:
                yield name
            elif below := options[name].get("suboptions"):
                yield from (f"{name}.{path}" for path in unknown(value, below))


@pytest.mark.parametrize("file", MODULES, ids=lambda file: file.stem)
def test_examples_have_options_that_exist(file: Path) -> None:
    wrong = [
        f"{task.get('name')}: {path}"
        for task in blocks(file).get("EXAMPLES", ())
        for key, given in task.items()
        if key.startswith(PREFIX) and (PLUGINS / f"modules/{key.removeprefix(PREFIX)}.py").exists()
        for path in unknown(given, options_of(key.removeprefix(PREFIX)))
    ]
    assert wrong == []


def test_a_misspelt_field_of_an_example_is_found() -> None:
    given = {"name": "a", "spec": {"mounts": [{"foldr": "/a"}], "heartbeat": {"perod": 1}}}
    found = [*unknown(given, options_of("edge_device"))]
    assert found == ["spec.mounts.foldr", "spec.heartbeat.perod"]
