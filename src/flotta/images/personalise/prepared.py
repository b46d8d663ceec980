"""Bases that were made for others get an area, once: the result is kept in a directory.

What is kept has the SHA-256 of its base and of what was added in its name, so that a changed base
or a changed release makes another one. Anything in that directory may be removed at any time.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

import flotta
from flotta.images.base_record import AREA, AREA_SIZE, FORMAT, PATH, BaseRecord, dump_record
from flotta.images.bases.base import Base, Preparation
from flotta.images.bases.known import find_base
from flotta.images.directory_lock import lock_directory
from flotta.images.errors import ImageError
from flotta.images.iso.el_torito import bootable_by
from flotta.images.iso.iso9660 import Iso, open_iso
from flotta.images.iso.xorriso import add_files, require_xorriso
from flotta.images.personalise.opened_base import (
    NO_DEMANDS,
    Demands,
    OpenedBase,
    check_base,
    find_area,
    hash_file,
    read_record,
    require_architecture,
    require_checksum,
    require_firmware,
)
from flotta.images.publication import Ownership, new_file
from flotta.images.working_directory import open_working_directory
from flotta.protocol.reasons.images import BASE_UNKNOWN, TOOL_FAILED

VERSION = 3  # of what is added; it grows when that changes
SYSTEM_CACHE = Path("/var/cache/flotta/images")
CREATED = slice(813, 827)  # of the primary volume descriptor: YYYYMMDDhhmmss (ECMA-119, 8.4.26)
LOCK_TIMEOUT = 1800.0  # seconds, while another process prepares the same base


@dataclass(frozen=True)
class BaseFile:
    """A base as a user names it; `wheelhouse` has the programs for an installed system."""

    path: Path
    demands: Demands = NO_DEMANDS
    wheelhouse: Path | None = None
    cache: Path | None = None


@contextlib.contextmanager
def open_any_base(file: BaseFile) -> Iterator[OpenedBase]:
    """Open a base, prepared first if it has no area. Raises ImageError."""
    with open_iso(file.path) as iso:
        iso.require_no_more()
        if file.demands.checksum is not None:
            require_checksum(iso, file.demands.checksum)
        if read_record(iso) is not None:
            yield check_base(iso, file.demands)
            return
        prepared = prepare_base(iso, file)
    with open_iso(prepared) as iso:
        yield check_base(iso, file.demands)


def prepare_base(iso: Iso, file: BaseFile) -> Path:
    """Return the prepared copy of an ISO without an area, made now or before."""
    base = find_base(iso, None)
    architecture = base.architecture(iso)
    require_architecture(iso, architecture or "", file.demands)
    require_firmware(iso, architecture or "", file.demands)
    preparation = base.prepare(iso, file.wheelhouse)
    identity = _identify(iso, preparation)
    folder = _make_cache(file.cache)
    kept = folder / f"{base.kind}-{identity[:32]}.iso"
    with lock_directory(kept, LOCK_TIMEOUT):
        if not _is_prepared(kept):
            record = _make_record(base, preparation, architecture or "", identity)
            _write(
                iso, kept, {**preparation.files, PATH: dump_record(record), AREA: bytes(AREA_SIZE)}
            )
    return kept


def _is_prepared(kept: Path) -> bool:
    """Tell whether there is a prepared base; one that was damaged is made again."""
    try:
        with open_iso(kept) as iso:
            return find_area(iso) is not None and read_record(iso) is not None
    except ImageError:
        return False


def default_cache() -> Path:
    """Return the directory of prepared bases of this user."""
    if os.geteuid() == 0:
        return SYSTEM_CACHE
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "flotta-edge" / "images"


def _make_cache(cache: Path | None) -> Path:
    folder = cache or default_cache()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ImageError(
            TOOL_FAILED,
            f"The directory {folder} for prepared bases cannot be created: {error.strerror}. "
            "Create it, or name another one.",
        ) from error
    return folder


def _identify(iso: Iso, preparation: Preparation) -> str:
    """Return the hex SHA-256 of the base and of all that is put into it."""
    added = {path: hashlib.sha256(data).hexdigest() for path, data in preparation.files.items()}
    parts = {"version": VERSION, "base": hash_file(iso.handle), "added": added, "area": AREA_SIZE}
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _make_record(
    base: Base, preparation: Preparation, architecture: str, identity: str
) -> BaseRecord:
    return BaseRecord(
        format=FORMAT,
        kind=base.kind,
        release=preparation.release or flotta.__version__,
        suite=preparation.suite,
        architecture=architecture,
        content_id=identity,
    )


def _write(iso: Iso, kept: Path, files: Mapping[str, bytes]) -> None:
    require_xorriso()
    before = bootable_by(iso)
    with new_file(kept) as file, open_working_directory(kept.parent) as work:
        sources = {path: _place(work, path, data) for path, data in files.items()}
        folders = {str(PurePosixPath(path).parent) for path in files}
        new = [folder for folder in folders if iso.find(folder) is None]
        add_files(iso.handle, file.handle, sources, new, created(iso))
        _require_prepared(kept, file.handle, before)
        file.publish(Ownership(0o600))


def _place(folder: Path, path: str, data: bytes) -> Path:
    place = folder / hashlib.sha256(path.encode()).hexdigest()
    place.write_bytes(data)
    return place


def _require_prepared(kept: Path, handle: int, firmware: frozenset[str]) -> None:
    """Raise ImageError for what is not an ISO, boots by less than before, or has no area."""
    written = Iso(kept, handle)
    try:
        written.require_whole()
        right = bootable_by(written) == firmware and find_area(written) and read_record(written)
    except ImageError as error:
        raise ImageError(
            TOOL_FAILED,
            "xorriso ended without an error and did not write an ISO. Nothing was left behind. "
            "Check its version: xorriso --version.",
        ) from error
    if not right:
        raise ImageError(
            BASE_UNKNOWN,
            "This ISO cannot be given an area: xorriso did not keep how it boots. Give the "
            "settings on a second medium: flotta image seed.",
        )


def created(iso: Iso) -> int:
    """Return the Unix time at which an ISO was made, 0 if it does not say."""
    digits = iso.primary[CREATED]
    try:
        return int(
            datetime.strptime(digits.decode(), "%Y%m%d%H%M%S").replace(tzinfo=UTC).timestamp()
        )
    except ValueError:
        return 0
