"""Remove a medium: a file of ours, and another only when that is forced."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from flotta.images.directory_lock import lock_directory
from flotta.images.errors import ImageError
from flotta.images.iso.iso9660 import open_iso
from flotta.images.personalise.medium import read_medium, require_replaceable
from flotta.images.publication import explain_write_error
from flotta.payload.manifest import Manifest


@dataclass(frozen=True)
class Before:
    """What was there: whether anything had to be changed, and the manifest if there was one."""

    changed: bool
    manifest: Manifest | None = None


def remove(path: Path, force: bool = False, check: bool = False) -> Before:
    """Remove a file; with `check` only tell what would be done. Raises ImageError."""
    if not path.parent.is_dir():
        return Before(False)
    with lock_directory(path):
        if require_replaceable(path, force) is None:
            return Before(False)
        before = Before(True, read_manifest(path))
        if not check:
            try:
                os.unlink(path)
            except OSError as error:
                raise explain_write_error(path, error, 0) from error
    return before


def read_manifest(path: Path) -> Manifest | None:
    """Return the manifest of a medium, None if it has none."""
    try:
        with open_iso(path) as iso:
            medium = read_medium(iso)
    except ImageError:
        return None
    return medium.payload.manifest if medium and medium.payload else None
