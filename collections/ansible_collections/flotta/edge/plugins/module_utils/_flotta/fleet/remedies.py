# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/fleet/remedies.py: change that.
"""What to do about a reason, as `flotta explain` says it. No I/O.

The sentences are those of docs/reference/reasons.md, without its links.
"""

from __future__ import annotations

import re

from ..protocol.reasons.reason import (
    NOTHING,
    Condition,
    Event,
    Image,
    Log,
    Reason,
    Refusal,
    Workload,
)
from ..protocol.reasons.table import TABLE, find_rows, plain_text
from ..resources.objects.devices import WorkloadStatus
from ..resources.objects.meta import Condition as ObjectCondition

CODE_AT_END = re.compile(r"\[([A-Za-z]+)\]\.?$")  # as `with_code` writes it
PLACEHOLDER = re.compile(r"\bNAME\b")


def condition_remedy(condition: ObjectCondition, kind: str, name: str) -> list[str]:
    """Return a line with what to do about a condition of this object, none if nothing is known."""
    rows = [
        row
        for row in find_rows(condition.get("reason") or "", Condition)
        if row.place[:2] == (kind, condition["type"])
    ]
    return _remedy_lines(rows, name)


def workload_remedy(entry: WorkloadStatus, device: str) -> list[str]:
    """Return a line with what to do about a workload on a device, none if nothing is known.

    The code at the end of the message is more exact than the reason.
    """
    cause = CODE_AT_END.search(entry.get("message") or "")
    rows = find_rows(cause[1], Log) if cause else []
    return _remedy_lines(rows or find_rows(entry.get("reason") or "", Workload), device)


def _remedy_lines(rows: list[Reason], name: str) -> list[str]:
    remedies = [plain_text(row.remedy) for row in rows if row.remedy != NOTHING]
    return [f"  What to do: {PLACEHOLDER.sub(name, remedy)}" for remedy in remedies[:1]]


def explain_reason(code: str) -> list[str]:
    """Explain a code wherever it appears; it is compared without regard to case.

    Raises ValueError with a sentence for an unknown one.
    """
    rows = [row for row in TABLE if row.code.lower() == code.lower()]
    if not rows:
        raise ValueError(f"there is no reason {code}; docs/reference/reasons.md has all of them")
    return [line for row in rows for line in _explain_row(row)]


def _explain_row(row: Reason) -> list[str]:
    first = f"{row.code}, {_describe_place(row)}: {plain_text(row.meaning)}"
    return [first, *([] if row.remedy == NOTHING else [f"  What to do: {plain_text(row.remedy)}"])]


def _describe_place(row: Reason) -> str:
    match row.place:
        case Workload():
            return "reason of a workload on a device"
        case Condition(kind, type_, status):
            return f"condition {type_} is {status} of {kind}"
        case Event(about):
            return f"Event about {about}"
        case Refusal(status):
            return f"refusal of the Edge API with status {status}"
        case Log(programs):
            return f"journal of {programs}"
        case Image(actions):
            return "flotta image" if actions == "all" else f"flotta image {actions}"
        case _:
            return "pod of the control plane"
