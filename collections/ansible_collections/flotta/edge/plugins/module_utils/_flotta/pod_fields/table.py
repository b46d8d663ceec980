# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/pod_fields/table.py: change that.
"""All rows, with paths from the PodSpec on, and the tree of their paths."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache

from ..pod_fields.combinations import NEEDED, exclusive_fields
from ..pod_fields.containers import CONTAINERS, INIT_CONTAINERS, PROFILES
from ..pod_fields.field import Field, Support, expand
from ..pod_fields.pod import POD
from ..pod_fields.volumes import VOLUMES


@dataclass
class Node:
    """A place in a PodSpec: the row about it, if any, and the places below.

    The items of a list are below the key `[]`. Of the fields in `exclusive` one may be set, and has
    to be if it `is_needed`.
    """

    row: Field | None = None
    below: dict[str, Node] = field(default_factory=dict)
    exclusive: tuple[str, ...] = ()
    is_needed: bool = False

    @property
    def choices(self) -> tuple[str, ...]:
        """Those of the exclusive fields that are not refused."""
        return tuple(name for name in self.exclusive if not self.below[name].is_refused)

    @property
    def is_refused(self) -> bool:
        """Whether no value works here."""
        return self.row is not None and self.row.support is Support.REFUSED

    def add(self, path: str, row: Field) -> None:
        """Put a row at a path; one that stands there or below gives way."""
        node = self.at(path)
        node.row, node.below = row, {}

    def at(self, path: str) -> Node:
        """Return the place of a path, made if it is not there."""
        node = self
        for step in split_path(path):
            node = node.below.setdefault(step, Node())
        return node

    def find(self, path: str) -> Field | None:
        """Return the row about a path: its own, or the one that refuses all of a place above."""
        node = self
        for step in split_path(path):
            if step not in node.below:
                return node.row if node.is_refused else None
            node = node.below[step]
        return node.row


def split_path(path: str) -> list[str]:
    """Return the steps of a path: names of fields, and `[]` for the items of a list."""
    return path.replace("[]", ".[]").split(".")


def rows() -> Iterator[Field]:
    """Yield the rows, those of init containers last and in full."""
    yield from POD
    yield from PROFILES
    yield from _below("volumes[].", VOLUMES)
    yield from _below("containers[].", CONTAINERS)
    yield from _below("initContainers[].", (*CONTAINERS, *INIT_CONTAINERS))


def _below(prefix: str, fields: Iterable[Field]) -> Iterator[Field]:
    for row in fields:
        yield replace(row, path=prefix + row.path)


@cache
def tree() -> Node:
    """Return the tree of all rows; of two rows for one path the later one counts."""
    root = Node()
    for row in rows():
        for path in expand(row.path):
            root.add(path, row)
    for path, fields in exclusive_fields().items():
        node = root.at(path)
        node.exclusive, node.is_needed = fields, path in NEEDED
    return root
