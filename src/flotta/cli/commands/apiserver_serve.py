"""`flotta-apiserver serve`: the resource API until SIGTERM or SIGINT."""

from __future__ import annotations

import argparse
import sys

from flotta import daemon
from flotta.apiserver.server import Settings, run_server
from flotta.apiserver.storage.integrity import (
    DamagedDatabaseError,
    DatabaseError,
    NewerDatabaseError,
)
from flotta.apiserver.storage.store import StorageFailure

UNUSABLE = 65  # exit status (EX_DATAERR of sysexits.h) after which systemd does not start it again


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
        kept_bytes=options.kept_bytes,
    )
    try:
        daemon.run(lambda: run_server(settings), uvloop=True)
    except (DamagedDatabaseError, NewerDatabaseError) as error:
        sys.stderr.write(f"flotta-apiserver: {error}\n")
        sys.exit(UNUSABLE)
    except (DatabaseError, StorageFailure, OSError) as error:
        sys.exit(f"flotta-apiserver: {error}")
