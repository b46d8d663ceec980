"""Make the area of a medium free again, in place: what it held is overwritten on the disk too."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from flotta.images.directory_lock import lock_directory
from flotta.images.errors import ImageError
from flotta.images.iso.iso9660 import Iso, open_iso
from flotta.images.personalise.medium import Medium, read_medium
from flotta.images.personalise.removal import Before
from flotta.images.publication import explain_write_error
from flotta.protocol.reasons.images import BASE_UNKNOWN, VERIFICATION_FAILED


def require_medium(iso: Iso) -> Medium:
    """Return what an ISO carries. Raises ImageError for one that has no area."""
    medium = read_medium(iso)
    if medium is None:
        raise ImageError(
            BASE_UNKNOWN,
            f"{iso.path} has no area for settings: it is neither a base image of flotta.edge, nor "
            "made from one, nor a seed.",
        )
    return medium


def reset(path: Path, check: bool = False) -> Before:
    """Overwrite the area with zeros; return what was there. With `check` nothing is written.

    A reset that is interrupted is completed by the next one. Raises ImageError.
    """
    real = Path(os.path.realpath(path))
    if not check and real.exists() and not os.access(real, os.W_OK):
        raise explain_write_error(real, PermissionError(errno.EACCES, os.strerror(errno.EACCES)), 0)
    with lock_directory(real), open_iso(real, writable=not check) as iso:
        medium = require_medium(iso)
        area = medium.area
        pristine = bytes(area.size)
        if iso.read_at(area.offset, area.size) == pristine:
            return Before(False)
        before = Before(True, medium.payload.manifest if medium.payload else None)
        if check:
            return before
        _overwrite(iso, area.offset, pristine)
        if iso.read_at(area.offset, area.size) != pristine:
            raise ImageError(VERIFICATION_FAILED, f"The area of {path} is not free. Try again.")
    return before


def _overwrite(iso: Iso, offset: int, data: bytes) -> None:
    try:
        os.pwrite(iso.handle, data, offset)
        os.fsync(iso.handle)
    except OSError as error:
        raise explain_write_error(iso.path, error, len(data)) from error
