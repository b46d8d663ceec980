# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/protocol/reasons/reason.py: change that.
"""What a row of the table is, and the places where a code appears.

Meaning and remedy are sentences in Markdown, with links relative to docs/reference/.
"""

from __future__ import annotations

from typing import NamedTuple, NewType

# A word in CamelCase that never changes. Functions that take one take no other text, so that mypy
# finds a code outside the table.
Code = NewType("Code", str)
NO_REASON = Code("")  # of what needs none
NOTHING = "–"  # remedy where there is nothing to do


class Workload(NamedTuple):
    """`EdgeDevice.status.workloads[].reason`: the phases beside it, and whether it is retried."""

    phase: str
    retries: str


class Condition(NamedTuple):
    """`status.conditions[].reason` of a kind."""

    kind: str
    type: str
    status: str


class Event(NamedTuple):
    """An Event: the kinds that it is about, `Normal` or `Warning`, who writes it."""

    about: str
    type: str
    component: str


class Refusal(NamedTuple):
    """A response of the Edge API: the HTTP status, or several separated by commas."""

    status: str


class PodReason(NamedTuple):
    """A failure of the module `flotta.edge.operator`, while Kubernetes starts the control plane."""


class Log(NamedTuple):
    """Lines in the journal of these programs, with the code in brackets at the end."""

    programs: str


class Image(NamedTuple):
    """A refusal of `flotta image` and the modules of images: the actions, or `all`."""

    actions: str


Place = Workload | Condition | Event | Refusal | PodReason | Log | Image


class Reason(NamedTuple):
    """A row: the code, where it appears, what happened and what to do."""

    code: Code
    place: Place
    meaning: str
    remedy: str


class Rows(list[Reason]):
    """The rows of one section, in the order of the documentation."""

    def add(self, code: str, place: Place, meaning: str, remedy: str = NOTHING) -> Code:
        """Append a row and return its code; one code may appear in several places."""
        row = Reason(Code(code), place, meaning, remedy)
        self.append(row)
        return row.code


def with_code(sentence: str, code: Code) -> str:
    """Return the sentence with its code at the end, as logs and messages of devices have it."""
    return f"{sentence} [{code}]"
