"""`flotta-apiserver backup`: the fleet, its keys and certificates in one archive."""

from __future__ import annotations

import argparse
import sys

from flotta.apiserver.backup.contents import BackupError, Places
from flotta.apiserver.backup.create import create_backup


def run(options: argparse.Namespace) -> str:
    """Write the archive; return a sentence about it."""
    try:
        objects = create_backup(places_of(options), options.file.absolute())
    except (BackupError, OSError) as error:
        sys.exit(f"flotta-apiserver: {error}")
    return (
        f"{options.file}: {objects} objects, keys and certificates; without the files in buckets. "
        "Whoever reads it can act as the control plane: keep it as a key."
    )


def places_of(options: argparse.Namespace) -> Places:
    """Return where the control plane's files are."""
    return Places(
        database=options.database.absolute(),
        pki=options.pki_dir.absolute(),
        kubeconfigs=options.kubeconfig_dir.absolute(),
        s3_keys=options.s3_keys.absolute(),
        s3_admin=options.s3_admin_file.absolute(),
    )
