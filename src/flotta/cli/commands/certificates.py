"""`flotta certificates`: when they expire, the rollover of the CA, and those of other servers."""

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
from flotta.cli.server_certificates import ServerCertificates
from flotta.cli.written_certificates import write_certificate
from flotta.identity.expiry import Expiry
from flotta.identity.rollover import FINISH, ROLL
from flotta.identity.server_requests import check_names
from flotta.protocol.reasons.reason import with_code
from flotta.resources.client import Client
from flotta.rfc3339 import format_time

ISSUE_CHECK = 0.2  # seconds between two looks whether a certificate is issued
DEVICES_ELSEWHERE = (
    "The certificates of devices are not known here: the data store has the devices."
)
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
    if options.action == "issue":
        return run_connected(options, lambda client: _issue(client, options))
    return _roll_over(options)


async def _issue(client: Client, options: argparse.Namespace) -> str:
    names = check_names(name for text in options.server for name in text.split(","))
    certificates = ServerCertificates(client, own_namespace())
    name = await certificates.choose_name(options.name, names)
    await certificates.ask(name, names)
    try:
        server = await certificates.wait_issued(name, options.timeout, ISSUE_CHECK)
    except TimeoutError as error:
        raise ValueError(str(error)) from error
    until = f"until {format_time(server.expiry.not_after)}" if server.expiry else ""
    said = f"{name} is issued for {', '.join(server.names)}, {until}."
    if options.folder is None:
        return f"{said}\nTo write certificate, key and CA, add: --output DIR"
    write_certificate(options.folder, "server", server.certificate, server.key, server.authority)
    return f"{said} server.crt, server.key and ca.crt are in {options.folder}."


def _show(options: argparse.Namespace) -> str | int:
    now = datetime.now(UTC)
    fleet = run_connected(options, lambda client: read_certificates(client, own_namespace()))
    in_files = options.certificates_dir is not None
    others = [] if in_files else list_engine_certificates(find_kubeconfig(options.kubeconfig))
    every = [*fleet.own, *fleet.servers, *fleet.batches, *others, *fleet.devices.expiries]
    steps = describe_steps(every, now)
    if fleet.published is None:
        steps.append(NOTHING_PUBLISHED)
    if options.output == "json":
        text = json.dumps(as_data(fleet, others, now), indent=2)
    else:
        devices = [DEVICES_ELSEWHERE] if in_files else describe_devices(fleet, now)
        text = "\n".join([_print_table(fleet, others, now), *devices, *steps])
    if not steps:
        return text
    print(text)
    return 1


def _print_table(fleet: FleetCertificates, others: list[Expiry], now: datetime) -> str:
    devices = [expiry for expiry in fleet.devices.expiries if expiry.is_urgent(now)]
    console = Console()
    with console.capture() as capture:
        own = [*fleet.own, *fleet.servers, *fleet.batches]
        console.print(as_table([*own, *others, *devices], now))
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
