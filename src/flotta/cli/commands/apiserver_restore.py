"""`flotta-apiserver restore`: an archive of `flotta-apiserver backup` in its places again."""

from __future__ import annotations

import argparse
import sys

from flotta.apiserver.backup.contents import BackupError
from flotta.apiserver.backup.restore import restore_backup
from flotta.cli.commands.apiserver_backup import places_of


def run(options: argparse.Namespace) -> str:
    """Restore the archive; return a sentence about it."""
    try:
        objects = restore_backup(options.file, places_of(options), force=options.force)
    except (BackupError, OSError) as error:
        sys.exit(f"flotta-apiserver: {error}")
    return f"{objects} objects, keys and certificates restored. Start the services."
