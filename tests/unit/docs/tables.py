"""The tables of a documentation page, for tests that compare them with the code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

REFERENCE = Path(__file__).parents[3] / "docs" / "reference"
CELL = re.compile(r"(?<!\\)\|")
CODE = re.compile(r"`([^`]+)`")


def first_cells(page: str, heading: str) -> set[str]:
    """Return what is in the first column of the page's tables with this heading over it.

    Cells of code give the text of the code, links none, others their whole text.
    """
    cells = (cell for table in _tables(page) for cell in _first_column(table, heading))
    return {
        code[1] if (code := CODE.fullmatch(cell)) else cell for cell in cells if cell[:1] != "["
    }


def _first_column(table: list[list[str]], heading: str) -> list[str]:
    return [row[0] for row in table[2:]] if table[0][0] == heading else []


def _tables(page: str) -> Iterator[list[list[str]]]:
    """Yield the rows of each table: heading, the line below it, the others."""
    table: list[list[str]] = []
    for line in [*(REFERENCE / page).read_text().splitlines(), ""]:
        if line.startswith("|"):
            table.append([cell.strip() for cell in CELL.split(line)[1:-1]])
        elif table:
            yield table
            table = []
