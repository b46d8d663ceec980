# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/protocol/reasons/table.py: change that.
"""All rows, and how a row is found by its code."""

from __future__ import annotations

import re

from ...protocol.reasons import (
    authority,
    conditions,
    device_programs,
    events,
    images,
    installation,
    live,
    refusals,
    store,
    sync,
    workloads,
)
from ...protocol.reasons.reason import Place, Reason

AREAS = (
    workloads,
    conditions,
    events,
    refusals,
    device_programs,
    sync,
    installation,
    authority,
    store,
    images,
    live,
)
TABLE: tuple[Reason, ...] = tuple(
    row for area in AREAS for section in area.SECTIONS for row in section
)
CODES = frozenset(row.code for row in TABLE)
LINK = re.compile(r"\[([^\]]+)\]\([^)]+\)")


def find_rows(code: str, *places: type[Place]) -> list[Reason]:
    """Return the rows of a code, only those of these places if any are given."""
    return [
        row for row in TABLE if row.code == code and (not places or isinstance(row.place, places))
    ]


def plain_text(markdown: str) -> str:
    """Return the text of a cell for a terminal: links become their text."""
    return LINK.sub(r"\1", markdown)
