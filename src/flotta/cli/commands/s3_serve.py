"""`flotta-s3 serve`: S3 over TLS until stopped, and the IAM query API if configured."""

from __future__ import annotations

import argparse
import contextlib
import os
from collections.abc import AsyncIterator

from flotta.daemon import run as run_daemon
from flotta.daemon import stop_event
from flotta.storage.rclone_supervisor import RcloneSupervisor, S3ServerSettings


def run(options: argparse.Namespace) -> int:
    """Serve until stopped; return the exit status. Raises ValueError with a sentence."""
    for path in (options.root, options.keys, options.cert, options.key):
        if not os.access(path, os.R_OK):
            raise ValueError(f"{path} is missing or not readable")
    settings = _make_settings(options)
    os.umask(0o027)  # the group may read what is written, others may not
    run_daemon(lambda: _serve(settings, options.iam_listen))
    return 0


def _make_settings(options: argparse.Namespace) -> S3ServerSettings:
    return S3ServerSettings(
        root=options.root.resolve(),
        keys=options.keys.resolve(),
        listen=options.listen,
        certificate=options.cert,
        private_key=options.key,
        cache=options.cache or options.root.parent / "cache",
    )


async def _serve(settings: S3ServerSettings, iam_listen: str | None) -> None:
    stop = stop_event()
    async with _serving_iam(settings, iam_listen):
        await RcloneSupervisor(settings).run(stop)


@contextlib.asynccontextmanager
async def _serving_iam(settings: S3ServerSettings, listen: str | None) -> AsyncIterator[None]:
    if not listen:
        yield
        return
    # aiohttp, which most servers can do without: 0.3 s and 19 MB of a process that stays.
    from flotta.storage.iam.server import IamServer

    if not listen.rpartition(":")[2].isdecimal():
        raise ValueError(f"--iam-listen is {listen!r}; use HOST:PORT")
    iam = IamServer(settings, listen)
    try:
        await iam.start()
    except OSError as error:
        raise ValueError(f"cannot listen on {listen} (--iam-listen): {error}") from error
    try:
        yield
    finally:
        await iam.stop()
