"""`flotta-configuration-api`: the reference data store behind an Edge API, on one SQLite file."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from flotta.cli.commands import run_command
from flotta.cli.subcommands import Commands
from flotta.settings.configuration_api import CONFIGURATION_API_COMMAND, CONFIGURATION_API_SERVE
from flotta.settings.help import add_options


def main(arguments: list[str] | None = None) -> None:
    """Entry point; an error is one sentence, and exit status 1."""
    options = _parser().parse_args(arguments)
    try:
        result = run_command(f"configuration_api_{options.command}", options)
    except ValueError as error:
        sys.exit(f"flotta-configuration-api: {error}")
    if result is not None:
        _print(str(result))


def _print(text: str) -> None:
    """Print a text, of which a program such as `head` may take the beginning only."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the flush at the end


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="flotta-configuration-api", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    serve = commands.add_parser("serve", help="serve the Edge Configuration API until stopped")
    add_options(serve, CONFIGURATION_API_SERVE)
    listing = _add(commands, "list", "list the devices", device=False)
    _add_output(listing, "table")
    show = _add(commands, "show", "show everything about a device, but no Secrets")
    _add_output(show, "yaml")
    _add_configurations(commands)
    _add_decisions(commands)
    _add_copies(commands)
    return parser


def _add_configurations(commands: Commands) -> None:
    put = _add(commands, "put", "store the configuration of a device, which may join later")
    put.add_argument("file", metavar="FILE", help="YAML, or JSON in *.json; - for standard input")
    get = _add(commands, "get", "print the configuration of a device, with its Secrets")
    _add_output(get, "yaml")


def _add_decisions(commands: Commands) -> None:
    approve = _add(commands, "approve", "let a device register that asked to join")
    approve.add_argument(
        "--key", default="", metavar="FINGERPRINT", help="only if it asked with this public key"
    )
    unregister = _add(
        commands,
        "unregister",
        "record the wish that a device goes: it removes its workloads and their data",
    )
    unregister.add_argument(
        "--unknown", action="store_true", help="also of a device that is not registered here"
    )
    forget = _add(
        commands, "forget", "remove what is on record about a device, which itself keeps running"
    )
    forget.add_argument(
        "--keep-configuration", action="store_true", help="keep what was put for it"
    )
    forget.add_argument(
        "--force", action="store_true", help="also when it has not carried out yet that it is to go"
    )


def _add_copies(commands: Commands) -> None:
    for command, text in (
        ("backup", "write a copy of the database, with its Secrets, to a new file"),
        ("restore", "put a copy in place of the database, while no server runs"),
    ):
        parser = _add(commands, command, text, device=False)
        parser.add_argument("file", type=Path, metavar="FILE")


def _add(
    commands: Commands, command: str, text: str, *, device: bool = True
) -> argparse.ArgumentParser:
    parser = commands.add_parser(command, help=text, description=f"{text[0].upper()}{text[1:]}.")
    if device:
        parser.add_argument("device", metavar="NAMESPACE/ID")
    add_options(parser, CONFIGURATION_API_COMMAND)
    return parser


def _add_output(parser: argparse.ArgumentParser, default: str) -> None:
    choices = sorted({default, "json", "yaml"})
    parser.add_argument("-o", "--output", choices=choices, default=default)


if __name__ == "__main__":
    main()
