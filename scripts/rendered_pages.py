"""Pages of the documentation that scripts render from code, written or checked."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

Row = Sequence[str]  # the cells
ROOT = Path(__file__).parents[1]


def replace_table(page: str, heading: str, header: Row, rows: Iterable[Row]) -> str:
    """Return the page with another table below a heading, the first that begins like `header`."""
    before, text = page.split(f" {heading}\n", 1)
    start = text.index(f"\n| {header[0]} |") + 1
    end = text.index("\n\n", start) + 1 if "\n\n" in text[start:] else len(text)
    table = "".join([_line(header), f"|{'---|' * len(header)}\n", *map(_line, rows)])
    return f"{before} {heading}\n{text[:start]}{table}{text[end:]}"


def _line(cells: Row) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n"


def write_pages(pages: Mapping[Path, str]) -> bool:
    """Write the pages that are out of date; with `--check` only name them.

    `pages` maps a path to its whole text. Returns whether a check failed.
    """
    stale = {path: text for path, text in pages.items() if path.read_text() != text}
    for path, text in stale.items():
        print(f"{path.relative_to(ROOT)} was out of date")
        if "--check" not in sys.argv:
            path.write_text(text)
    return bool(stale) and "--check" in sys.argv
