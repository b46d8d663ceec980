"""`flotta-apiserver accept-loss`: start again with a database that lost changes."""

from __future__ import annotations

import argparse
import sys

from flotta.apiserver.backup.contents import BackupError
from flotta.apiserver.backup.loss import accept_loss


def run(options: argparse.Namespace) -> str:
    """Accept that changes are lost; return a sentence about what is left."""
    try:
        objects = accept_loss(options.database.absolute())
    except (BackupError, OSError) as error:
        sys.exit(f"flotta-apiserver: {error}")
    return f"{objects} objects are left. Start the services."
