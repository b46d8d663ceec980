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
from flotta.fleet.registration_batches import DEFAULT_NAMESPACE, Specification
from flotta.printable_text import printable

HEADINGS = ("Batch", "State", "Uses", "Expires", "Admits")
WHOLE = ("State", "Uses", "Expires")  # what is longer than it is told apart when it is folded
COLOURS = {"active": "green", "waiting": "yellow"}
NAMED_IDS = 3  # in the column of what a batch admits


def batches_as_table(
    batches: Iterable[IssuedBatch], taken: Mapping[str, int], now: datetime
) -> Table:
    """Return the batches as a table for people; `taken` are the uses by the name of the batch."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in HEADINGS:
        table.add_column(heading, no_wrap=heading in WHOLE, overflow="fold")
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
        return "", "", printable(batch.problem)
    return (
        f"{used} of {specification.uses}" if specification.uses else "unlimited",
        f"{batch.expires:%Y-%m-%d %H:%M}" if batch.expires else "",
        "\n".join(
            [
                *_name_devices(specification),
                *_name_rules(specification),
                *["and again with another key"] * specification.allow_key_replacement,
            ]
        ),
    )


def _name_devices(specification: Specification) -> list[str]:
    """Return the ids that a batch admits, and the namespaces if they say more than the default."""
    ids = specification.device_ids
    names = [*ids.patterns, *sorted(ids.listed)] if ids else ["any device"]
    more = [f"and {len(names) - NAMED_IDS} more"] if len(names) > NAMED_IDS else []
    spaces = specification.namespaces
    where = [] if spaces == (DEFAULT_NAMESPACE,) else [f"in {', '.join(spaces)}"]
    return [*names[:NAMED_IDS], *more, *where]


def _name_rules(specification: Specification) -> list[str]:
    rule = specification.approval
    if not rule.automatic:
        return ["by hand"]
    narrowed = {
        "serial number": rule.serial_numbers,
        "hardware": rule.hardware,
        "source network": rule.source_networks,
    }
    return [f"by {name}" for name, given in narrowed.items() if given] or ["by rule"]
