"""`flotta-apiserver`: the embedded resource API."""

from __future__ import annotations

import argparse
from pathlib import Path

from flotta.cli.commands import run_command


def main(arguments: list[str] | None = None) -> None:
    """Entry point."""
    options = _parser().parse_args(arguments)
    run_command(f"apiserver_{options.command}", options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="flotta-apiserver", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    init = commands.add_parser(
        "init", help="make the certificates and kubeconfigs that are missing or due for renewal"
    )
    init.add_argument("--pki-dir", type=Path, default=Path("/etc/flotta/pki"))
    init.add_argument("--kubeconfig-dir", type=Path, default=Path("/etc/flotta/kubeconfig"))
    init.add_argument("--server", required=True, help="the address clients use, https://HOST:6443")
    init.add_argument(
        "--san", action="append", default=[], help="a name or address of the server; repeatable"
    )
    serve = commands.add_parser("serve", help="serve the resource API")
    serve.add_argument("--listen", default="0.0.0.0:6443", help="HOST:PORT")
    serve.add_argument("--database", type=Path, default=Path("/var/lib/flotta/apiserver/state.db"))
    serve.add_argument("--pki-dir", type=Path, default=Path("/etc/flotta/pki"))
    serve.add_argument(
        "--kept-events", type=int, default=10_000, help="changes a watch can resume over, at least"
    )
    serve.add_argument("--kept-seconds", type=float, default=300.0, help="and at least this long")
    return parser


if __name__ == "__main__":
    main()
