"""Paths of single labels and annotations, as a `fieldRef` names them."""

from __future__ import annotations

import re
from typing import NamedTuple

ENTRY = re.compile(r"metadata\.(labels|annotations)\['(.*)'\]")


class Entry(NamedTuple):
    """A label or annotation."""

    kind: str  # labels or annotations
    key: str


def read_entry(path: str) -> Entry | None:
    """Return the label or annotation of a path, None for a path of another field."""
    match = ENTRY.fullmatch(path)
    return Entry(match[1], match[2]) if match else None
