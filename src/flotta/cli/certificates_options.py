"""The options of `flotta certificates`, and one that `flotta registration` has, too."""

from __future__ import annotations

import argparse
from pathlib import Path

from flotta.cli.subcommands import Commands

ISSUE_TIMEOUT = 60.0  # seconds that the Edge API has to issue a certificate


def add_certificates(commands: Commands) -> None:
    """Add the command and its actions."""
    certificates = commands.add_parser(
        "certificates",
        help="show when certificates expire, roll the CA of the fleet over, issue certificates for "
        "other servers",
    )
    certificates.add_argument(
        "-o",
        "--output",
        choices=["table", "json"],
        default="table",
        help="table for people (default) or json for programs",
    )
    add_certificates_dir(certificates)
    actions = certificates.add_subparsers(metavar="ACTION", dest="action")
    roll = actions.add_parser("roll-ca", help="make a new CA that issues; both are trusted")
    finish = actions.add_parser("finish-ca", help="trust the former CA no longer")
    finish.add_argument(
        "--force", action="store_true", help="although devices have certificates of the former CA"
    )
    for action in (roll, finish, _add_issue(actions)):
        add_certificates_dir(action, default=argparse.SUPPRESS)


def _add_issue(actions: Commands) -> argparse.ArgumentParser:
    issue = actions.add_parser(
        "issue",
        help="issue the certificate of another server, such as a data store",
        description="Issue the certificate of another server, such as a data store, from the CA of "
        "the fleet. If it is issued already, it is used as it is.",
    )
    issue.add_argument(
        "--server",
        action="append",
        required=True,
        metavar="NAME[,NAME]",
        help="names and addresses at which clients reach the server; may be repeated",
    )
    issue.add_argument(
        "--name",
        metavar="SECRET",
        help="name of the Secret; default: server-, and the first name of the server",
    )
    issue.add_argument(
        "--output",
        dest="folder",
        type=Path,
        metavar="DIR",
        help="write server.crt, server.key and ca.crt there",
    )
    add_timeout(issue)
    return issue


def add_timeout(issue: argparse.ArgumentParser) -> None:
    """Add how long to wait for the Edge API."""
    issue.add_argument(
        "--timeout",
        type=float,
        default=ISSUE_TIMEOUT,
        help=f"seconds to wait for the Edge API; default: {ISSUE_TIMEOUT:g}",
    )


def add_certificates_dir(parser: argparse.ArgumentParser, default: str | None = None) -> None:
    """Add the option `certificates_dir`; an action leaves the value of its command by SUPPRESS."""
    parser.add_argument(
        "--certificates-dir",
        type=Path,
        default=default,
        metavar="DIR",
        help="work on the CERTIFICATES_DIR of an Edge API on this host, not on a resource API",
    )
