"""The measure of untyped objects finds them under every name."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "scripts"))
from untyped_objects import Names

ALIASES = """
from collections.abc import Mapping
from typing import Any
Untyped = dict[str, Any]
Row = Untyped
Rows = list[Row]
Manifest = Mapping[str, object]
"""
HANDED_ON = "from package.aliases import Rows as Table"
USER = """
import typing as t
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, Dict, Literal

from package import aliases
from package.aliases import Manifest, Row as Line
from package.handed_on import Table
"""


def is_found(annotation: str) -> bool:
    modules = {
        "package.aliases": ast.parse(ALIASES),
        "package.handed_on": ast.parse(HANDED_ON),
        "package.user": ast.parse(USER),
    }
    return Names(modules).has_untyped(ast.parse(annotation, mode="eval").body, "package.user")


@pytest.mark.parametrize(
    "annotation",
    [
        "dict[str, Any]",
        "Dict[str, t.Any]",
        "Mapping[str, Any] | None",
        "MutableMapping[str, Any]",
        "list[dict[str, Any]]",
        "dict[str, dict[str, Any]]",
        "Callable[[Line], None]",
        "aliases.Untyped",
        "Table",
        "'Line | None'",
    ],
)
def test_an_object_without_a_type_is_found(annotation: str) -> None:
    assert is_found(annotation)


@pytest.mark.parametrize(
    "annotation",
    [
        "Any | None",
        "Manifest",
        "dict[str, object]",
        "dict[str, str]",
        "Row",
        "Literal['not an expression']",
    ],
)
def test_what_has_a_type_or_is_another_name_is_not(annotation: str) -> None:
    assert not is_found(annotation)
