"""`flotta-apiserver`: the embedded resource API."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from urllib.parse import urlsplit

from flotta import daemon


def main(arguments: list[str] | None = None) -> None:
    """Entry point."""
    options = _parser().parse_args(arguments)
    if options.command == "init":
        _init(options)
    else:
        _serve(options)


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


def _init(options: argparse.Namespace) -> None:
    from flotta.apiserver.pki import Wanted, initialize
    from flotta.identity.errors import IdentityError

    host = urlsplit(options.server).hostname
    if not options.server.startswith("https://") or not host:
        sys.exit("flotta-apiserver: --server must look like https://HOST:6443")
    names = tuple(dict.fromkeys([host, *options.san]))
    wanted = Wanted(options.pki_dir, options.kubeconfig_dir, options.server, names)
    try:
        changed = initialize(wanted)
    except (IdentityError, OSError) as error:
        sys.exit(f"flotta-apiserver: {error}")
    print(json.dumps({"changed": changed}))


def _serve(options: argparse.Namespace) -> None:
    from flotta.apiserver.database import DatabaseError
    from flotta.apiserver.serve import Settings, serve

    host, _, port = options.listen.rpartition(":")
    if not port.isdigit():
        sys.exit("flotta-apiserver: --listen must look like HOST:PORT")
    settings = Settings(
        host=host.strip("[]"),
        port=int(port),
        database=options.database,
        pki=options.pki_dir,
        kept_events=options.kept_events,
        kept_seconds=options.kept_seconds,
    )
    try:
        daemon.run(lambda: serve(settings), uvloop=True)
    except (DatabaseError, OSError) as error:
        sys.exit(f"flotta-apiserver: {error}")


if __name__ == "__main__":
    main()
