"""`flotta-s3`: the embedded S3 server of a single-machine control plane."""

from __future__ import annotations

import argparse
import sys

from flotta.cli.commands import run_command
from flotta.settings.engine import S3_INIT, S3_SERVE
from flotta.settings.help import add_options


def main() -> None:
    """Run one of the commands init, serve and auth-proxy."""
    options = _parser().parse_args()
    try:
        sys.exit(run_command(options.module, options))
    except ValueError as error:
        sys.exit(f"flotta-s3: {error}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="flotta-s3", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    init = commands.add_parser("init", help="create the administrator's access key once")
    add_options(init, S3_INIT)
    init.set_defaults(module="s3_init")
    serve = commands.add_parser("serve", help="serve S3 over TLS until stopped")
    add_options(serve, S3_SERVE)
    serve.set_defaults(module="s3_serve")
    proxy = commands.add_parser(
        "auth-proxy", help="look up an access key for rclone, which calls this"
    )
    proxy.set_defaults(module="s3_auth_proxy")
    return parser


if __name__ == "__main__":
    main()
