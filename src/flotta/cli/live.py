"""`flotta-live`: a device that runs from an image."""

from __future__ import annotations

import argparse

from flotta.cli.commands import run_command
from flotta.settings.help import add_options
from flotta.settings.live import LIVE_CONSOLE, LIVE_PREPARE


def main(arguments: list[str] | None = None) -> None:
    """Entry point."""
    options = _parser().parse_args(arguments)
    result = run_command(f"live_{options.command}", options)
    if result is not None:
        print(result)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="flotta-live", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    prepare = commands.add_parser("prepare", help="prepare the root of this boot, before systemd")
    add_options(prepare, LIVE_PREPARE)
    console = commands.add_parser("console", help="show the state of the device on terminals")
    add_options(console, LIVE_CONSOLE)
    return parser


if __name__ == "__main__":
    main()
