"""`flotta certificates`: when certificates expire, and the rollover of the fleet's CA."""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime

from rich.console import Console

from flotta.cli.adoption import own_namespace
from flotta.cli.certificates import (
    FleetCertificates,
    as_data,
    as_table,
    describe_devices,
    describe_steps,
    read_certificates,
)
from flotta.cli.connection import run_connected
from flotta.cli.engine_certificates import list_engine_certificates
from flotta.cli.kubeconfig import find_kubeconfig
from flotta.cli.rollover import ask_rollover
from flotta.identity.expiry import Expiry
from flotta.identity.rollover import FINISH, ROLL
from flotta.protocol.reasons.reason import with_code

NOTHING_PUBLISHED = (
    "When CA and server certificate expire is not known: no Edge API of this release has run "
    "yet. Start one, and look again."
)


def run(options: argparse.Namespace) -> str | int:
    """Return the text to print, or the exit status after printing.

    Raises ValueError with a sentence.
    """
    if options.action is None:
        return _show(options)
    return _roll_over(options)


def _show(options: argparse.Namespace) -> str | int:
    now = datetime.now(UTC)
    fleet = run_connected(options, lambda client: read_certificates(client, own_namespace()))
    others = list_engine_certificates(find_kubeconfig(options.kubeconfig))
    every = [*fleet.own, *fleet.batches, *others, *fleet.devices.expiries]
    steps = describe_steps(every, now)
    if fleet.published is None:
        steps.append(NOTHING_PUBLISHED)
    if options.output == "json":
        text = json.dumps(as_data(fleet, others, now), indent=2)
    else:
        text = "\n".join([_print_table(fleet, others, now), *describe_devices(fleet, now), *steps])
    if not steps:
        return text
    print(text)
    return 1


def _print_table(fleet: FleetCertificates, others: list[Expiry], now: datetime) -> str:
    devices = [expiry for expiry in fleet.devices.expiries if expiry.is_urgent(now)]
    console = Console()
    with console.capture() as capture:
        console.print(as_table([*fleet.own, *fleet.batches, *others, *devices], now))
    return "\n".join(line.rstrip() for line in capture.get().splitlines()).strip("\n")


def _roll_over(options: argparse.Namespace) -> str:
    phase, forced = (FINISH, options.force) if options.action == "finish-ca" else (ROLL, False)
    answer = run_connected(
        options,
        lambda client: ask_rollover(
            client,
            own_namespace(),
            phase,
            forced=forced,
            program=f"flotta certificates {options.action}",
        ),
    )
    if answer.is_refusal:
        raise ValueError(with_code(answer.message, answer.code))
    return answer.message
