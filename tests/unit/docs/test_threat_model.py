"""The threat model names the test of each promise, and says where there is none."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs/explanation/threat-model.md"
TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


def promises() -> list[list[str]]:
    """Return the cells of each line below a heading `Promise`."""
    rows: list[list[str]] = []
    inside = False
    for line in PAGE.read_text().splitlines():
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        inside = bool(cells) and (inside or cells[0] == "Promise")
        if inside and cells[0] != "Promise" and not cells[0].startswith("-"):
            rows.append(cells)
    return rows


@cache
def names_in(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text())
    functions = ast.FunctionDef | ast.AsyncFunctionDef
    return {node.name for node in ast.walk(tree) if isinstance(node, functions)}


def test_there_are_promises_with_and_without_a_test() -> None:
    rows = promises()
    assert len(rows) > 40
    assert 0 < sum(row[2] == "none" for row in rows) < len(rows) / 3


@pytest.mark.parametrize("row", promises(), ids=lambda row: row[2])
def test_every_promise_names_a_test_that_exists_or_none(row: list[str]) -> None:
    _, kept, test = row
    if test == "none":
        assert kept.startswith("no"), "without a test nothing is promised"
        return
    found = TEST.fullmatch(test)
    assert found, test
    assert found[2] in names_in(found[1])
