"""One personalised medium: whether it is up to date, and how it is written.

1. Everything is checked before anything is written: settings, base, destination, space.
2. What is there is compared first; the same content is not written again.
3. The base is copied into a file without a name, its area overwritten, the result read back. Only
   then does it take its place (`flotta.images.publication`).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from flotta.images.copying import CopyError, copy_file
from flotta.images.directory_lock import LOCK_TIMEOUT, lock_directory
from flotta.images.errors import ImageError
from flotta.images.iso.el_torito import bootable_by
from flotta.images.iso.iso9660 import Extent, Iso, open_iso
from flotta.images.personalise.content import Content
from flotta.images.personalise.medium import (
    read_medium,
    require_other_than_base,
    require_replaceable,
    same_frame,
    same_outside,
)
from flotta.images.personalise.results import Result
from flotta.images.personalise.sources import Source
from flotta.images.publication import (
    FULL,
    NewFile,
    Ownership,
    explain_write_error,
    free_space,
    new_file,
    require_writable,
)
from flotta.images.settings.medium import Settings
from flotta.payload.manifest import Manifest
from flotta.protocol.reasons.images import (
    BASE_NOT_FOUND,
    BASE_TRUNCATED,
    VERIFICATION_FAILED,
)

PRIVATE = Ownership(0o600)


@dataclass(frozen=True)
class Output:
    """A medium that is wanted; `thorough` compares every byte of one that is there."""

    path: Path
    settings: Settings
    ownership: Ownership = PRIVATE
    force: bool = False
    thorough: bool = False
    lock_timeout: float = LOCK_TIMEOUT  # seconds


def personalise(source: Source, output: Output, check: bool = False) -> Result:
    """Write a medium unless it is up to date; `check` only tells what would be done.

    Raises ImageError; what was at the destination is there as before.
    """
    content = source.content_for(output.settings)
    path = Path(os.path.realpath(output.path))
    with lock_directory(path, output.lock_timeout):
        found = require_replaceable(path, output.force)
        if found:
            require_other_than_base(source.iso, source.opened is None, path, output.force)
        before, current = (
            _compare(source, content, path, output.thorough) if found else (None, False)
        )
        reowned = bool(found) and current and not output.ownership.matches(_known(found))
        if not current:
            require_writable(path)
            _require_space(path, source.iso.size)
            if not check:
                _write(source, content, path, output.ownership)
        elif reowned and not check:
            _reown(path, output.ownership)
    return Result(
        output.path,
        content,
        source.iso.size,
        source.area,
        rewritten=not current,
        reowned=reowned,
        before=before,
        warnings=output.settings.credential.warnings,
    )


def padded(content: Content, area: Extent) -> bytes:
    """Return the bytes of a whole area."""
    return content.payload + bytes(area.size - len(content.payload))


def _known(found: os.stat_result | None) -> os.stat_result:
    if found is None:
        raise AssertionError("there is a file")
    return found


def _compare(
    source: Source, content: Content, path: Path, thorough: bool
) -> tuple[Manifest | None, bool]:
    """Return the manifest of what is there, and whether it is what is wanted."""
    try:
        with open_iso(path) as iso:
            medium = read_medium(iso)
            manifest = medium.payload.manifest if medium and medium.payload else None
            same = _is_current(source, content, iso, thorough)
    except ImageError:
        return None, False  # a file that is to be replaced by force
    return manifest, same


def _is_current(source: Source, content: Content, iso: Iso, thorough: bool) -> bool:
    area = source.area
    if not same_frame(source.iso, iso):
        return False
    if iso.read_at(area.offset, area.size) != padded(content, area):
        return False
    return not thorough or same_outside(source.iso, iso, area)


def _require_space(path: Path, size: int) -> None:
    if free_space(path) < size:
        raise explain_write_error(path, OSError(FULL[0], ""), size)


def _write(source: Source, content: Content, path: Path, ownership: Ownership) -> None:
    iso, area = source.iso, source.area
    with new_file(path, iso.size) as file:
        try:
            copy_file(iso.handle, file.handle, iso.size)
        except CopyError as error:
            raise _unreadable(iso, error) from error
        os.pwrite(file.handle, padded(content, area), area.offset)
        _verify(source, content, file, path)
        file.publish(ownership)


def _verify(source: Source, content: Content, file: NewFile, path: Path) -> None:
    """Raise ImageError when what was written is not what it should be."""
    area, written = source.area, Iso(path, file.handle)
    right = (
        written.size == source.iso.size
        and written.read_at(area.offset, area.size) == padded(content, area)
        and bootable_by(written) == source.firmware
        and same_frame(source.iso, written)
    )
    if not right or not source.is_unchanged():
        raise ImageError(
            VERIFICATION_FAILED,
            f"What was written for {path} is not what it should be; the base may have changed "
            "meanwhile. Nothing was left behind. Start again.",
        )


def _unreadable(iso: Iso, error: CopyError) -> ImageError:
    reason = BASE_TRUNCATED if iso.size > os.fstat(iso.handle).st_size else BASE_NOT_FOUND
    return ImageError(
        reason,
        f"{iso.path} cannot be read at byte {error.offset}: {error.reason}. Check the disk that it "
        "is on. Nothing was left behind.",
    )


def _reown(path: Path, ownership: Ownership) -> None:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            ownership.apply(handle)
        finally:
            os.close(handle)
    except OSError as error:
        raise explain_write_error(path, error, 0) from error
