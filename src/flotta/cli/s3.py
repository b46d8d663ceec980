"""flotta-s3: the embedded S3 server of a single-machine control plane."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from flotta.cli.commands import run_command


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
    init = commands.add_parser("init", help="make the administrator's key pair once")
    init.add_argument(
        "--admin-file", type=Path, required=True, help="file that gets the pair, 0600"
    )
    init.set_defaults(module="s3_init")
    serve = commands.add_parser("serve", help="serve S3 over TLS until stopped")
    serve.add_argument("--root", type=Path, required=True, help="directory of the buckets")
    serve.add_argument("--listen", default="127.0.0.1:9000", help="address and port")
    serve.add_argument(
        "--iam-listen",
        metavar="HOST:PORT",
        help="also serve the IAM query API by which operators elsewhere issue keys",
    )
    serve.add_argument("--cert", type=Path, required=True, help="server certificate chain, PEM")
    serve.add_argument("--key", type=Path, required=True, help="its private key, PEM")
    serve.add_argument("--cache", type=Path, help="rclone's cache, default: cache beside the root")
    serve.set_defaults(module="s3_serve")
    for command in (init, serve):
        command.add_argument("--keys", type=Path, required=True, help="directory of the key files")
    proxy = commands.add_parser("auth-proxy", help="answer rclone's question about an access key")
    proxy.set_defaults(module="s3_auth_proxy")
    return parser


if __name__ == "__main__":
    main()
