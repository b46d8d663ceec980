"""`flotta-s3 init`: creates the administrator's access key, once."""

from __future__ import annotations

import argparse
import json

from flotta.storage.administrator import ensure_administrator


def run(options: argparse.Namespace) -> int:
    """Make the key and print as JSON whether anything was written; return the exit status."""
    try:
        changed = ensure_administrator(options.admin_file, options.keys)
    except OSError as error:
        raise ValueError(f"the access key cannot be written: {error}") from error
    print(json.dumps({"changed": changed}))
    return 0
