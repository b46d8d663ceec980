"""`flotta-apiserver`: the embedded resource API."""

from __future__ import annotations

import argparse

from flotta.cli.commands import run_command
from flotta.settings.engine import APISERVER_INIT, APISERVER_SERVE
from flotta.settings.help import add_options


def main(arguments: list[str] | None = None) -> None:
    """Entry point."""
    options = _parser().parse_args(arguments)
    run_command(f"apiserver_{options.command}", options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="flotta-apiserver", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    init = commands.add_parser(
        "init", help="create the certificates and kubeconfigs that are missing or due for renewal"
    )
    add_options(init, APISERVER_INIT)
    serve = commands.add_parser("serve", help="serve the resource API")
    add_options(serve, APISERVER_SERVE)
    return parser


if __name__ == "__main__":
    main()
