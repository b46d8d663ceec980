"""`flotta status`: every device, its workloads and files."""

from __future__ import annotations

import argparse
import asyncio
import json

from rich.console import Console
from rich.table import Table

from flotta.cli.adoption import list_visible_unknown
from flotta.cli.connection import run_connected
from flotta.cli.status_table import rows_as_data, rows_as_table
from flotta.fleet.joining import REQUEST_NAMESPACE
from flotta.fleet.status import UNKNOWN_STATE, WAITING_STATE, DeviceRow, device_rows
from flotta.resources.client import Client
from flotta.resources.kinds import EDGE_DEVICE, SIGNED_REQUEST

SHOWN_WAITING = 5  # requests whose reason to wait is printed; more would hide the table


def run(options: argparse.Namespace) -> str:
    """Return the text to print. Raises ValueError with a sentence."""
    rows = run_connected(options, lambda client: _read_rows(client, options.namespace))
    if options.output == "json":
        return json.dumps(rows_as_data(rows), indent=2)
    if not rows:
        return "There are no devices and no requests to join."
    return "\n".join([_print_table(rows_as_table(rows)), *_next_steps(rows)])


def _next_steps(rows: list[DeviceRow]) -> list[str]:
    """Return a sentence for states in which devices wait for somebody."""
    states = {row.state for row in rows}
    steps = {
        UNKNOWN_STATE: "Devices that are unknown to this control plane keep running. "
        "Take them back with: flotta adopt NAME",
        WAITING_STATE: "Devices that wait for approval: flotta approve NAME, or "
        "flotta decline NAME",
        "quarantined": "Devices that are quarantined are refused, and keep their files. "
        "Let them in again with: flotta device release NAME",
        "wipe held": "Devices whose wipe is held keep running. "
        "To wipe them: flotta decommission --held",
    }
    return [text for state, text in steps.items() if state in states] + _waiting(rows)


def _waiting(rows: list[DeviceRow]) -> list[str]:
    """Return why the first requests wait that a rule would not approve."""
    told = [row for row in rows if row.waits_because]
    lines = [f"{row.name} waits: {row.waits_because}" for row in told[:SHOWN_WAITING]]
    if len(told) > SHOWN_WAITING:
        lines.append(f"{len(told) - SHOWN_WAITING} more wait; see: flotta explain device NAME")
    return lines


async def _read_rows(client: Client, namespace: str | None) -> list[DeviceRow]:
    devices, requests, unknown = await asyncio.gather(
        client.list(EDGE_DEVICE, namespace),
        client.list(SIGNED_REQUEST, REQUEST_NAMESPACE),
        list_visible_unknown(client, namespace),
    )
    rows = device_rows(devices, requests, unknown)
    return [row for row in rows if not namespace or row.namespace == namespace]


def _print_table(table: Table) -> str:
    console = Console()
    with console.capture() as capture:
        console.print(table)
    return "\n".join(line.rstrip() for line in capture.get().splitlines()).strip("\n")
