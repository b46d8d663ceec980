"""`flotta-apiserver serve`: the resource API until SIGTERM or SIGINT."""

from __future__ import annotations

import argparse
import sys

from flotta import daemon
from flotta.apiserver.server import Settings, run_server
from flotta.apiserver.storage.database import DatabaseError


def run(options: argparse.Namespace) -> None:
    """Serve until SIGTERM or SIGINT; exit with one sentence on an error."""
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
        daemon.run(lambda: run_server(settings), uvloop=True)
    except (DatabaseError, OSError) as error:
        sys.exit(f"flotta-apiserver: {error}")
