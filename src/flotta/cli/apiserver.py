"""`flotta-apiserver`: the embedded resource API."""

from __future__ import annotations

import argparse
from pathlib import Path

from flotta.cli.commands import run_command
from flotta.settings.engine import (
    APISERVER_ACCEPT_LOSS,
    APISERVER_BACKUP,
    APISERVER_GO_BACK,
    APISERVER_INIT,
    APISERVER_RESTORE,
    APISERVER_SERVE,
)
from flotta.settings.help import add_options


def main(arguments: list[str] | None = None) -> None:
    """Entry point."""
    options = _parser().parse_args(arguments)
    result = run_command(f"apiserver_{options.command.replace('-', '_')}", options)
    if result is not None:
        print(result)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="flotta-apiserver", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    init = commands.add_parser(
        "init", help="create the certificates and kubeconfigs that are missing or due for renewal"
    )
    add_options(init, APISERVER_INIT)
    serve = commands.add_parser("serve", help="serve the resource API")
    add_options(serve, APISERVER_SERVE)
    backup = commands.add_parser(
        "backup", help="write fleet, keys and certificates to one archive; the server may run"
    )
    backup.add_argument("file", type=Path, metavar="FILE", help="archive to write, mode 0600")
    add_options(backup, APISERVER_BACKUP)
    restore = commands.add_parser(
        "restore", help="restore such an archive while the services are stopped"
    )
    restore.add_argument("file", type=Path, metavar="FILE", help="archive to read")
    add_options(restore, APISERVER_RESTORE)
    accept = commands.add_parser(
        "accept-loss", help="continue with what is left of a database that lost changes"
    )
    add_options(accept, APISERVER_ACCEPT_LOSS)
    back = commands.add_parser(
        "go-back", help="prepare the database for the release before, while services are stopped"
    )
    add_options(back, APISERVER_GO_BACK)
    return parser


if __name__ == "__main__":
    main()
