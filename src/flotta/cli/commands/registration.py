"""`flotta registration`: issue, list and end the certificates with which devices join."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.console import Console

from flotta.cli.adoption import own_namespace
from flotta.cli.connection import run_connected
from flotta.cli.registration import Batches, require_future
from flotta.cli.registration_table import batches_as_table
from flotta.cli.written_certificates import write_certificate
from flotta.fleet.batch_specification import dump_specification, parse_specification
from flotta.fleet.issued_batches import TOLERANCE, IssuedBatch, describe
from flotta.fleet.registration_batches import (
    MIN_VALIDITY,
    SpecificationFields,
    is_of_role,
    is_pattern,
)
from flotta.resources.client import Client
from flotta.rfc3339 import format_time

PROGRAM = "flotta registration"
ISSUE_CHECK = 0.2  # seconds between two looks whether a certificate is issued
NO_BATCHES = "There are no registration batches. Issue one with: flotta registration issue NAME"
# Options of a batch that a remote data store does not know.
WITHOUT_EFFECT = ("set", "label", "device-label", "automatic", "allow-key-replacement")
LEFT_OUT = (
    "One-time batches of the role flotta.edge.device that are left out: {0} (--all shows them)"
)


def run(options: argparse.Namespace) -> str:
    """Return the text to print. Raises ValueError with a sentence."""
    return run_connected(options, lambda client: ACTIONS[options.action](client, options))


async def _issue(client: Client, options: argparse.Namespace) -> str:
    batches = Batches(client, own_namespace())
    if options.certificates_dir is not None:
        _require_effect(options)
    wanted = _make_fields(options)
    dump_specification(wanted)
    existing = await batches.find(options.name)
    now, by_days = datetime.now(UTC), options.days is not None
    if existing is not None:
        _require_same(existing, wanted, now, by_days=by_days)
    else:
        if "expires" in wanted:
            require_future(wanted["expires"], now)
        await batches.create(options.name, wanted)
    try:
        batch = await batches.wait_issued(options.name, options.timeout, ISSUE_CHECK)
    except TimeoutError as error:
        raise ValueError(str(error)) from error
    kept = "; --days changes no batch that exists" if existing and by_days else ""
    return _conclude(batch, options.output, kept)


def _require_effect(options: argparse.Namespace) -> None:
    """Raise ValueError for what nobody carries out where the devices are in a data store."""
    vain = [f"--{name}" for name in WITHOUT_EFFECT if getattr(options, name.replace("-", "_"))]
    if options.uses is not None and not _lists_enough(options):
        vain.append("--uses without a --device-id for each")
    if vain:
        raise ValueError(
            f"{', '.join(vain)} would have no effect: devices are in a data store here, "
            "which approves and labels them, and nobody counts uses. Leave it out; --device-id, "
            "--namespace and --days do count"
        )


def _lists_enough(options: argparse.Namespace) -> bool:
    ids = _make_fields(options).get("deviceIDs", [])
    return bool(ids) and len(ids) <= options.uses and not any(map(is_pattern, ids))


def _require_same(
    batch: IssuedBatch, wanted: SpecificationFields, now: datetime, *, by_days: bool
) -> None:
    """Raise ValueError with a sentence unless a batch is open, and is what the options ask for.

    Days count from now, so the expiry that they give is not compared.
    """
    state = batch.state_at(now)
    if state in ("expired", "revoked"):
        raise ValueError(
            f"the registration batch {batch.name} is {state}; choose another name, or remove it "
            f"with: flotta registration remove {batch.name}"
        )
    there, asked = batch.specification, parse_specification(dump_specification(wanted))
    if there is None:
        raise ValueError(f"the registration batch {batch.name} is not issued: {batch.problem}")
    if by_days or asked.expires is None or _is_about(asked.expires, batch.expires):
        asked = replace(asked, expires=there.expires)
    unasked = set(wanted) <= {"expires"} and asked.expires == there.expires
    if not unasked and asked != there:
        raise ValueError(
            f"the registration batch {batch.name} exists with another specification; choose "
            "another name, leave out the options to use it as it is, or change it with the module "
            "flotta.edge.registration_certificate"
        )


def _is_about(asked: datetime, there: datetime | None) -> bool:
    return there is not None and abs(asked - there) < TOLERANCE


def _conclude(batch: IssuedBatch, folder: Path | None, kept: str) -> str:
    until = f"until {format_time(batch.expires)}" if batch.expires else ""
    said = f"{batch.name} is issued, {until}{kept}."
    if folder is None:
        return (
            f"{said}\nTo write certificate, key and CA: flotta registration issue {batch.name} "
            "--output DIR"
        )
    write_certificate(folder, "client", batch.certificate, batch.key, batch.authority)
    return f"{said} client.crt, client.key and ca.crt are in {folder}."


async def _list(client: Client, options: argparse.Namespace) -> str:
    batches, taken = await Batches(client, own_namespace()).list()
    hidden = 0 if options.all else sum(is_of_role(batch.name) for batch in batches)
    if hidden:
        batches = [batch for batch in batches if not is_of_role(batch.name)]
    now = datetime.now(UTC)
    if options.output == "json":
        rows = [describe(batch, now, taken.get(batch.name, 0)) for batch in batches]
        return json.dumps(rows, indent=2)
    lines = [LEFT_OUT.format(hidden)] if hidden else []
    return "\n".join([_as_table(batches, taken, now) if batches else NO_BATCHES, *lines])


def _as_table(batches: list[IssuedBatch], taken: Mapping[str, int], now: datetime) -> str:
    console = Console()
    with console.capture() as capture:
        console.print(batches_as_table(batches, taken, now))
    return "\n".join(line.rstrip() for line in capture.get().splitlines()).strip("\n")


async def _expire(client: Client, options: argparse.Namespace) -> str:
    await Batches(client, own_namespace()).expire(options.name)
    return f"{options.name} has expired: it admits no further device. Devices that joined stay."


async def _revoke(client: Client, options: argparse.Namespace) -> str:
    batches = Batches(client, own_namespace())
    await batches.revoke(options.name, options.reason, PROGRAM)
    removed = await batches.remove_undecided(options.name)
    return (
        f"{options.name} is revoked: its certificate is refused, and its key is removed. Devices "
        f"that joined stay. Requests that waited for a decision and are deleted: {removed}."
    )


async def _remove(client: Client, options: argparse.Namespace) -> str:
    batches = Batches(client, own_namespace())
    existed = await batches.remove(options.name)
    removed = await batches.remove_undecided(options.name)
    if not existed and not removed:
        return f"There is no registration batch {options.name}."
    return (
        f"{options.name} is removed: its certificate is refused. Devices that joined stay. "
        f"Requests that waited for a decision and are deleted: {removed}."
    )


def _make_fields(options: argparse.Namespace) -> SpecificationFields:
    """Return the specification that the options ask for; raises ValueError."""
    fields: SpecificationFields = {}
    if options.days is not None:
        fields["expires"] = _in_days(options.days)
    elif options.expires:
        fields["expires"] = options.expires
    if options.uses is not None:
        fields["uses"] = options.uses
    if options.namespace:
        fields["namespaces"] = options.namespace
    listed = (line.partition("#")[0].strip() for line in _read_lines(options.device_ids))
    if ids := [*options.device_id, *listed]:
        fields["deviceIDs"] = ids
    if options.set:
        fields["targetSet"] = options.set
    if options.label:
        fields["labels"] = _read_pairs(options.label, "--label KEY=VALUE")
    if options.device_label:
        fields["deviceLabels"] = options.device_label
    return _add_rule(_add_keys(fields, options), options)


def _add_keys(fields: SpecificationFields, options: argparse.Namespace) -> SpecificationFields:
    if options.allow_without_fingerprint:
        fields["allowWithoutFingerprint"] = True
    if options.allow_key_replacement:
        fields["allowKeyReplacement"] = True
    return fields


def _in_days(days: float) -> str:
    try:
        validity = timedelta(days=days)
        if validity < timedelta(seconds=MIN_VALIDITY):
            raise ValueError
        return format_time(datetime.now(UTC) + validity)
    except (OverflowError, ValueError) as error:  # NaN is a number, too
        raise ValueError(
            f"--days {days:g} is not a number of days from now; give a positive one, such as 30"
        ) from error


def _add_rule(fields: SpecificationFields, options: argparse.Namespace) -> SpecificationFields:
    serials = [*options.serial_number, *_read_lines(options.serial_numbers)]  # may have a #
    narrowed = bool(serials or options.hardware or options.source_network)
    if not options.automatic:
        if narrowed:
            raise ValueError("a rule needs --automatic: without it, an administrator approves")
        return fields
    fields["approval"] = {"mode": "Automatic"}
    if serials:
        fields["approval"]["serialNumbers"] = serials
    if options.hardware:
        fields["approval"]["hardware"] = _read_pairs(options.hardware, "--hardware PATH=VALUE")
    if options.source_network:
        fields["approval"]["sourceNetworks"] = options.source_network
    return fields


def _read_lines(path: Path | None) -> list[str]:
    """Return the lines of a file, without blank ones and those that begin with #."""
    if path is None:
        return []
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(
            f"{path} cannot be read: {error}. Name a text file with one id or number a line; a "
            "single one goes with --device-id or --serial-number"
        ) from error
    return [text for line in lines if (text := line.strip()) and not text.startswith("#")]


def _read_pairs(texts: Iterable[str], form: str) -> dict[str, str]:
    pairs = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise ValueError(f"{text!r} is not of the form {form}")
        pairs[key] = value
    return pairs


ACTIONS = {
    "issue": _issue,
    "list": _list,
    "expire": _expire,
    "revoke": _revoke,
    "remove": _remove,
}
