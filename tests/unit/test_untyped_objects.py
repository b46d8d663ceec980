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
Value = Any
Plain = dict
class Record(dict[str, Any]): ...
class SpecialRecord(Record): ...
class Typed(dict[str, str]): ...
"""
HANDED_ON = "from package.aliases import Rows as Table"
USER = """
import typing as t
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, Dict, Literal, Optional

from package import aliases
from package.aliases import Manifest, Plain, Row as Line, SpecialRecord, Typed, Value
from package.handed_on import Table
"""


MODULES = {
    "package.aliases": ast.parse(ALIASES),
    "package.handed_on": ast.parse(HANDED_ON),
    "package.user": ast.parse(USER),
}


def is_found(annotation: str) -> bool:
    return Names(MODULES).has_untyped(_parse(annotation), "package.user")


def has_any(annotation: str) -> bool:
    return Names(MODULES).has_any(_parse(annotation), "package.user")


def _parse(annotation: str) -> ast.expr:
    return ast.parse(annotation, mode="eval").body


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
        "dict",
        "list[Mapping]",
        "dict[Any, Any]",
        "dict[Any, str]",
        "defaultdict[str, Any]",
        "OrderedDict[str, Any]",
        "dict[str, Any | None]",
        "dict[str, Optional[Any]]",
        "dict[str, Value]",
        "dict[str, 'Any']",
        "Plain",
        "SpecialRecord | None",
    ],
)
def test_an_object_without_a_type_is_found(annotation: str) -> None:
    assert is_found(annotation)


@pytest.mark.parametrize(
    "annotation",
    [
        "Any | None",
        "Manifest",
        "Typed",
        "list[Any]",
        "dict[str, Callable[[Any], str]]",
        "dict[str, object]",
        "dict[str, str]",
        "Row",
        "Literal['not an expression']",
    ],
)
def test_what_has_a_type_or_is_another_name_is_not(annotation: str) -> None:
    assert not is_found(annotation)


@pytest.mark.parametrize(
    "annotation", ["Any", "'Any'", "Any | None", "list[t.Any]", "Value", "Callable[..., Value]"]
)
def test_a_plain_any_is_found(annotation: str) -> None:
    assert has_any(annotation)


@pytest.mark.parametrize("annotation", ["object", "Typed", "Literal['Any of them']"])
def test_what_is_not_any_is_not_found(annotation: str) -> None:
    assert not has_any(annotation)
