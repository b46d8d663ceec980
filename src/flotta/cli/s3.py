"""flotta-s3: the embedded S3 server of a single-machine control plane."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..storage.embedded import Server


def main() -> None:
    """Run one of the commands init, serve and auth-proxy."""
    options = _parser().parse_args()
    try:
        sys.exit(options.run(options))
    except ValueError as error:
        sys.exit(f"flotta-s3: {error}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="flotta-s3", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    init = commands.add_parser("init", help="make the administrator's key pair once")
    init.add_argument(
        "--admin-file", type=Path, required=True, help="file that gets the pair, 0600"
    )
    init.set_defaults(run=_init)
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
    serve.set_defaults(run=_serve)
    for command in (init, serve):
        command.add_argument("--keys", type=Path, required=True, help="directory of the key files")
    proxy = commands.add_parser("auth-proxy", help="answer rclone's question about an access key")
    proxy.set_defaults(run=_auth_proxy)
    return parser


def _init(options: argparse.Namespace) -> int:
    from ..storage.administrator import ensure_administrator

    try:
        changed = ensure_administrator(options.admin_file, options.keys)
    except OSError as error:
        raise ValueError(f"the key pair cannot be written: {error}") from error
    print(json.dumps({"changed": changed}))
    return 0


def _serve(options: argparse.Namespace) -> int:
    from ..daemon import run, stop_event
    from ..storage.embedded import Server, Supervisor

    for path in (options.root, options.keys, options.cert, options.key):
        if not os.access(path, os.R_OK):
            raise ValueError(f"{path} is missing or not readable")
    cache = options.cache or options.root.parent / "cache"
    server = Server(
        root=options.root.resolve(),
        keys=options.keys.resolve(),
        listen=options.listen,
        certificate=options.cert,
        private_key=options.key,
        cache=cache,
    )
    os.umask(0o027)

    async def serve() -> None:
        stop = stop_event()
        async with _iam(server, options.iam_listen):
            await Supervisor(server).run(stop)

    run(serve)
    return 0


@contextlib.asynccontextmanager
async def _iam(server: Server, listen: str | None) -> AsyncIterator[None]:
    if not listen:
        yield
        return
    from ..storage.iam_server import IamServer

    if not listen.rpartition(":")[2].isdecimal():
        raise ValueError(f"--iam-listen is {listen!r}; use HOST:PORT")
    iam = IamServer(server, listen)
    try:
        await iam.start()
    except OSError as error:
        raise ValueError(f"--iam-listen {listen} cannot be had: {error}") from error
    try:
        yield
    finally:
        await iam.stop()


def _auth_proxy(_: argparse.Namespace) -> int:
    # rclone waits for this program, so it imports next to nothing.
    from ..storage.auth_proxy import answer

    directories = os.environ["FLOTTA_S3_KEYS"], os.environ["FLOTTA_S3_ROOT"]
    return answer(sys.stdin, sys.stdout, Path(directories[0]), Path(directories[1]))


if __name__ == "__main__":
    main()
