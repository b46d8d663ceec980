"""What plugins import of flotta: the wheel's, and the copy that needs no wheel."""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from generate_module_utils import generate

PLUGINS = Path(__file__).parents[2] / "collections/ansible_collections/flotta/edge/plugins"


def names_imported_by(file: Path) -> list[tuple[str, str]]:
    return [
        (node.module, alias.name)
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "flotta"
        for alias in node.names
    ]


def subscripts_at_start(node: ast.AST) -> Iterator[str]:
    """Yield the names whose subscripts run when a module starts, outside functions."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        if isinstance(child, ast.AnnAssign):
            child = child.value or ast.Pass()
        if isinstance(child, ast.Subscript) and isinstance(child.value, ast.Name):
            yield child.value.id
        yield from subscripts_at_start(child)


@pytest.mark.parametrize("file", sorted(PLUGINS.glob("mod*/*.py")), ids=lambda file: file.stem)
def test_module_starts_in_python_3_8_and_can_say_what_is_missing(file: Path) -> None:
    """Ansible runs modules in 3.8 and later; `tuple[str, str]` is an error in 3.8."""
    tree = ast.parse(file.read_text(), feature_version=(3, 8))
    assert list(subscripts_at_start(tree)) == []


@pytest.mark.parametrize("file", sorted(PLUGINS.glob("*/*.py")), ids=lambda file: file.stem)
def test_what_a_plugin_imports_of_flotta_exists(file: Path) -> None:
    for module, name in names_imported_by(file):
        assert hasattr(importlib.import_module(module), name), f"{module} has no {name}"


def test_no_name_in_the_collection_is_an_underscore() -> None:
    """The test `pylint` of ansible-test refuses it, minutes later; gettext is called so."""
    found = [
        f"{file}:{node.lineno}"
        for file in PLUGINS.parent.rglob("*.py")
        if "_flotta" not in file.parts  # checked where it comes from
        for node in ast.walk(ast.parse(file.read_text()))
        if "_" in (getattr(node, "id", None), getattr(node, "arg", None))
    ]
    assert found == []


def test_the_copy_of_flotta_is_that_of_its_source() -> None:
    folder = PLUGINS / "module_utils/_flotta"
    copied = {
        str(file.relative_to(folder)): file.read_text()
        for file in folder.rglob("*.py")
        if "__pycache__" not in file.parts
    }
    assert copied == generate(), "run: python scripts/generate_module_utils.py"


def test_the_copy_needs_no_other_packages() -> None:
    """What ansible-core and the package kubernetes bring along."""
    texts = [text for path, text in generate().items() if path != "__init__.py"]
    packages = {
        name.split(".")[0]
        for text in texts
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Import | ast.ImportFrom) and not getattr(node, "level", 0)
        for name in (
            [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else [alias.name for alias in node.names]
        )
    }
    assert packages - sys.stdlib_module_names <= {"cryptography"}
