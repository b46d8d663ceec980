"""`flotta-apiserver go-back`: prepare the database for the release before."""

from __future__ import annotations

import argparse
import sys

from flotta.apiserver.backup.contents import BackupError
from flotta.apiserver.backup.going_back import go_back


def run(options: argparse.Namespace) -> str:
    """Convert the database; return sentences about what stays and what is lost."""
    database = options.database.absolute()
    try:
        objects = go_back(database)
    except BackupError as error:
        sys.exit(f"flotta-apiserver: {error}")
    return (
        f"All {objects} objects are in the format of the release before. Lost is the history of "
        "changes: clients that watch list again. The current database stays beside it; what is "
        "written from now on is not in it. Install the release before, then start the services."
    )
