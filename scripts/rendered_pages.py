"""Pages of the documentation that scripts render from code, written or checked."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]


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
