"""How large a JSON value may be: its depth and the number of its values.

Every later step, from pruning to encoding, takes time for each value and recurses into each level.
Limits: docs/reference/resource-api.md#limits.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

MAX_DEPTH = 100  # objects and lists within each other
MAX_VALUES = 100_000  # in one body or object
# A value begins after one of these bytes.
STARTS = (b",", b":", b"[", b"{")
# Matches at every quotation mark, also one that nothing closes, and never steps back: otherwise a
# body of escaped quotation marks takes time by the square of its length.
STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)


class ExcessiveValueError(ValueError):
    """A value is nested too deeply or consists of too many values; the text says which."""


def check_text(body: bytes) -> None:
    """Refuse JSON text with too many values before it is parsed. Raises ExcessiveValueError."""
    if _count_starts(body) > MAX_VALUES and _count_starts(STRING.sub(b"", body)) > MAX_VALUES:
        raise ExcessiveValueError(f"it has more than {MAX_VALUES} values")


def _count_starts(text: bytes) -> int:
    return sum(text.count(start) for start in STARTS)


def check_value(value: Any, most: int = MAX_VALUES) -> None:
    """Refuse a value that is too deep or has more than `most` values.

    Raises ExcessiveValueError.
    """
    level, count = [value], 0
    for _ in range(MAX_DEPTH + 1):
        count += len(level)
        if count > most:
            raise ExcessiveValueError(f"it has more than {most} values")
        level = [item for parent in level for item in _items(parent)]
        if not level:
            return
    raise ExcessiveValueError(f"it is nested more than {MAX_DEPTH} levels deep")


def _items(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()
