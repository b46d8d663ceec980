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
    """Remove a file, and a link to it at `path`; with `check` only tell what would be done.

    Raises ImageError.
    """
    real = Path(os.path.realpath(path))
    if not real.parent.is_dir():
        return _remove_link(path, Before(False), check)
    with lock_directory(real):
        if require_replaceable(real, force) is None:
            return _remove_link(path, Before(False), check)
        before = Before(True, read_manifest(real))
        if not check:
            _unlink(real)
    return _remove_link(path, before, check)


def _remove_link(path: Path, before: Before, check: bool) -> Before:
    """Remove a link that led to the file, so that nothing is left at the path."""
    if not path.is_symlink():
        return before
    if not check:
        _unlink(path)
    return Before(True, before.manifest)


def _unlink(path: Path) -> None:
    try:
        os.unlink(path)
    except OSError as error:
        raise explain_write_error(path, error, 0) from error


def read_manifest(path: Path) -> Manifest | None:
    """Return the manifest of a medium, None if it has none."""
    try:
        with open_iso(path) as iso:
            medium = read_medium(iso)
    except ImageError:
        return None
    return medium.payload.manifest if medium and medium.payload else None
