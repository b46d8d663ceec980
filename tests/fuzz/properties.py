"""What holds for everything that is made of foreign bytes."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path, PurePosixPath
from typing import Any

# Marks of writing direction: they make a text read differently from what it is.
DIRECTION = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def assert_printable(text: str) -> None:
    """Assert that no character acts on a terminal, or begins another line."""
    acting = {
        character
        for character in text
        if unicodedata.category(character) in ("Cc", "Zl", "Zp", "Cs") or character in DIRECTION
    }
    assert not acting, acting


def assert_all_printable(value: Any) -> None:
    """Assert the same for every text of a value of JSON."""
    if isinstance(value, str):
        assert_printable(value)
    elif isinstance(value, dict):
        for key, item in value.items():
            assert_printable(key)
            assert_all_printable(item)
    elif isinstance(value, list | tuple):
        for item in value:
            assert_all_printable(item)


def assert_small(value: Any, most: int) -> None:
    """Assert that it has at most so many bytes as JSON."""
    assert len(json.dumps(value)) <= most


def assert_inside(path: str | PurePosixPath) -> None:
    """Assert that the path stays below the directory that it is relative to."""
    pure = PurePosixPath(path)
    assert not pure.is_absolute()
    assert ".." not in pure.parts
    assert "\0" not in str(path)


def assert_nothing_outside(root: Path, allowed: Path) -> None:
    """Assert that nothing lies below `root` but what is below `allowed`."""
    outside = [
        path
        for path in root.rglob("*")
        if not path.is_relative_to(allowed) and not allowed.is_relative_to(path)
    ]
    assert not outside, outside
