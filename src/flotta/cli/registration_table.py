"""Registration batches as `flotta registration list` prints them.

Columns are an interface (docs/reference/command-line.md#flotta-registration).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from rich import box
from rich.table import Table
from rich.text import Text

from flotta.fleet.issued_batches import IssuedBatch
from flotta.fleet.registration_batches import Specification
from flotta.printable_text import printable
from flotta.rfc3339 import format_time

HEADINGS = ("Batch", "State", "Uses", "Expires", "Namespaces", "Devices", "Approval")
COLOURS = {"active": "green", "waiting": "yellow"}
NAMED_IDS = 3  # in the column of devices


def batches_as_table(
    batches: Iterable[IssuedBatch], taken: Mapping[str, int], now: datetime
) -> Table:
    """Return the batches as a table for people; `taken` are the uses by the name of the batch."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in HEADINGS:
        table.add_column(heading)
    for batch in batches:
        used = taken.get(batch.name, 0)
        state = batch.state_at(now, used)
        table.add_row(
            Text(batch.name),
            Text(state, style=COLOURS.get(state, "red")),
            *map(Text, _describe(batch, used)),
        )
    return table


def _describe(batch: IssuedBatch, used: int) -> tuple[str, ...]:
    specification = batch.specification
    if specification is None:
        return "", "", "", "", printable(batch.problem)
    return (
        f"{used} of {specification.uses}" if specification.uses else "unlimited",
        format_time(batch.expires) if batch.expires else "",
        "\n".join(specification.namespaces),
        _describe_ids(specification),
        _describe_rule(specification),
    )


def _describe_ids(specification: Specification) -> str:
    ids = specification.device_ids
    if ids is None:
        return "any"
    names = [*ids.patterns, *sorted(ids.listed)]
    more = [f"and {len(names) - NAMED_IDS} more"] if len(names) > NAMED_IDS else []
    return "\n".join([*names[:NAMED_IDS], *more])


def _describe_rule(specification: Specification) -> str:
    rule = specification.approval
    if not rule.automatic:
        return "manual"
    narrowed = {
        "serial number": rule.serial_numbers,
        "hardware": rule.hardware,
        "source network": rule.source_networks,
    }
    return "\n".join(["automatic", *(f"by {name}" for name, given in narrowed.items() if given)])
