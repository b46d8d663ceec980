"""The fleet as `flotta status` prints it: rows of a table, or data for JSON.

Columns and keys are an interface (docs/reference/command-line.md#flotta-status).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime

from rich import box
from rich.table import Table
from rich.text import Text

from flotta.fleet.status import DeviceRow, WorkloadRow, describe_age

COLOURS = {
    "ready": "green",
    "joining": "yellow",
    "without storage": "yellow",
    "misconfigured": "yellow",
    "waiting for approval": "yellow",
    "withheld": "yellow",
}
HEADINGS = ("Device", "State", "Labels", "Workloads", "Last seen", "Up", "Down")
CODE = "Code"  # a column where a device waits that shows one


def rows_as_data(rows: Iterable[DeviceRow]) -> list[dict[str, object]]:
    """Return the rows as plain data for JSON."""
    return [asdict(row) for row in rows]


def rows_as_table(rows: Iterable[DeviceRow], now: datetime | None = None) -> Table:
    """Return the rows as a table for people."""
    rows = list(rows)
    has_codes = any(row.code for row in rows)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in (*HEADINGS, *[CODE] * has_codes):
        table.add_column(heading, justify="right" if heading in ("Up", "Down") else "left")
    for row in rows:
        labels = [f"{key}={value}" for key, value in row.labels.items()]
        workloads = [_workload_text(workload) for workload in row.workloads]
        table.add_row(
            Text(row.name if row.namespace == "default" else f"{row.namespace}/{row.name}"),
            Text(row.state, style=COLOURS.get(row.state, "red")),
            Text("\n".join([f"set {row.set}"] * bool(row.set) + labels)),
            Text("\n".join(workloads)),
            describe_age(row.last_seen, now),
            str(row.files_up),
            str(row.files_down),
            *[row.code] * has_codes,
        )
    return table


def _workload_text(workload: WorkloadRow) -> str:
    reason = f" ({workload.reason})" if workload.reason else ""
    return f"{workload.name} {workload.phase}{reason}"
