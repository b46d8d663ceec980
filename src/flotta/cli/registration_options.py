"""The options of `flotta registration`."""

from __future__ import annotations

import argparse
from pathlib import Path

from flotta.cli.certificates_options import add_certificates_dir, add_timeout
from flotta.cli.subcommands import Commands


def add_registration(commands: Commands) -> None:
    """Add the command and its actions."""
    registration = commands.add_parser(
        "registration", help="issue, list and end the certificates with which devices join"
    )
    add_certificates_dir(registration)
    actions = registration.add_subparsers(required=True, metavar="ACTION", dest="action")
    issue = _add_issue(actions)
    listing = actions.add_parser("list", help="list the registration batches")
    listing.add_argument(
        "-o",
        "--output",
        choices=["table", "json"],
        default="table",
        help="table for people (default) or json for programs",
    )
    listing.add_argument(
        "--all", action="store_true", help="with the one-time batches of the role device"
    )
    expire = actions.add_parser("expire", help="let a batch admit no further device")
    revoke = actions.add_parser("revoke", help="refuse the certificate of a batch, and remove it")
    revoke.add_argument("--reason", default="", help="why, for those who look later")
    remove = actions.add_parser("remove", help="remove a batch, its record of uses and certificate")
    for action in (expire, revoke, remove):
        action.add_argument("name", help="name of the batch")
    for action in (issue, listing, expire, revoke, remove):
        add_certificates_dir(action, default=argparse.SUPPRESS)


def _add_issue(actions: Commands) -> argparse.ArgumentParser:
    issue = actions.add_parser(
        "issue",
        help="issue a registration certificate",
        description="Issue a registration certificate: a batch with its limits and rules. Without "
        "options, the existing batch of that name is used.",
    )
    issue.add_argument("name", help="name of the batch")
    issue.add_argument("--output", type=Path, metavar="DIR", help="write certificate and key there")
    add_timeout(issue)
    _add_limits(issue)
    _add_rule(issue)
    return issue


def _add_limits(issue: argparse.ArgumentParser) -> None:
    end = issue.add_mutually_exclusive_group()
    end.add_argument("--days", type=float, help="days until the batch expires; default: 365")
    end.add_argument("--expires", metavar="TIME", help="when it expires, RFC 3339")
    issue.add_argument("--uses", type=int, help="number of devices; default: no limit")
    issue.add_argument(
        "-n",
        "--namespace",
        action="append",
        default=[],
        help="namespace to join; may be repeated; default: default",
    )
    issue.add_argument(
        "--device-id",
        action="append",
        default=[],
        metavar="ID",
        help="id or pattern (*, ?) of devices; may be repeated; default: any",
    )
    issue.add_argument(
        "--device-ids", type=Path, metavar="FILE", help="file with ids or patterns, one a line"
    )
    issue.add_argument("--set", help="EdgeDeviceSet of the devices")
    issue.add_argument(
        "--label",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="label of the devices; may be repeated",
    )
    issue.add_argument(
        "--device-label",
        action="append",
        default=[],
        metavar="KEY",
        help="key of a label that devices may bring along on their medium; may be repeated",
    )
    issue.add_argument(
        "--allow-without-fingerprint",
        action="store_true",
        help="admit agents of v0.2, which do not announce their key",
    )
    issue.add_argument(
        "--allow-key-replacement",
        action="store_true",
        help="let a device of the batch come back with another key, for devices that keep nothing "
        "when they are switched off",
    )


def _add_rule(issue: argparse.ArgumentParser) -> None:
    issue.add_argument(
        "--automatic",
        action="store_true",
        help="approve the devices without an administrator; needs --uses or ids",
    )
    issue.add_argument(
        "--serial-number",
        action="append",
        default=[],
        metavar="NUMBER",
        help="with --automatic, only devices that report one of these; may be repeated",
    )
    issue.add_argument(
        "--serial-numbers", type=Path, metavar="FILE", help="file with them, one a line"
    )
    issue.add_argument(
        "--hardware",
        action="append",
        default=[],
        metavar="PATH=VALUE",
        help="with --automatic, only devices that report this, such as cpu.architecture=aarch64",
    )
    issue.add_argument(
        "--source-network",
        action="append",
        default=[],
        metavar="CIDR",
        help="with --automatic, only from these networks; needs the PROXY protocol",
    )
