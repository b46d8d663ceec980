"""Whether a file is a medium of ours, and what is in its area."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from flotta.images.base_record import BaseRecord
from flotta.images.bases.known import extra_paths
from flotta.images.errors import ImageError
from flotta.images.iso.el_torito import catalogue_offset
from flotta.images.iso.iso9660 import FIRST_DESCRIPTOR, SECTOR, Extent, Iso, open_iso
from flotta.images.personalise.integrity import find_problem
from flotta.images.personalise.opened_base import MAX_AREA, find_area, read_record
from flotta.images.publication import explain_write_error
from flotta.images.seed_volume import SEED_AREA, is_seed
from flotta.payload.tree import Payload, PayloadError, unpack
from flotta.protocol.reasons.images import DESTINATION_FOREIGN

ALLOW = "Choose another name, or allow it with force"
DESCRIPTORS = 8  # sectors after the first descriptor that are compared


@dataclass(frozen=True)
class Medium:
    """An ISO or a seed with an area; `problem` says what is wrong with what is in it.

    There is a payload only if nothing is.
    """

    size: int
    area: Extent
    record: BaseRecord | None
    payload: Payload | None
    problem: str = ""

    @property
    def state(self) -> str:
        """`pristine`, `personalised` or `damaged`."""
        if self.problem:
            return "damaged"
        return "personalised" if self.payload else "pristine"


def find_medium_area(iso: Iso) -> Extent | None:
    """Return the area of an ISO of ours or of a seed, None if there is none."""
    if is_seed(iso):
        record = iso.find(SEED_AREA)
        usable = record and record.is_whole and record.extent.size <= MAX_AREA
        return record.extent if record and usable else None
    return find_area(iso) if read_record(iso) else None


def read_medium(iso: Iso) -> Medium | None:
    """Return what an ISO carries, None if it is none of ours."""
    area = find_medium_area(iso)
    if area is None:
        return None
    record = None if is_seed(iso) else read_record(iso)
    payload, problem = _read_area(iso.read_at(area.offset, area.size), record)
    return Medium(iso.size, area, record, None if problem else payload, problem)


def _read_area(data: bytes, record: BaseRecord | None) -> tuple[Payload | None, str]:
    """Return the payload of an area, None if it is free, and what is wrong with it."""
    try:
        payload = unpack(data)
    except PayloadError as error:
        return None, str(error)
    if payload is None:
        return None, ""
    base_id, kind = (record.content_id, record.kind) if record else ("", "")
    return payload, find_problem(payload, data, base_id, extra_paths(kind))


def is_ours(path: Path) -> bool:
    """Tell whether a file is a medium of ours, whatever its state."""
    try:
        with open_iso(path) as iso:
            return find_medium_area(iso) is not None
    except ImageError:
        return False


def require_replaceable(path: Path, force: bool) -> os.stat_result | None:
    """Return what is at a destination, None for nothing.

    Raises ImageError for a directory or a device, and for a foreign file unless it is forced.
    """
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise explain_write_error(path, error, 0) from error
    if not stat.S_ISREG(found.st_mode):
        raise ImageError(
            DESTINATION_FOREIGN,
            f"{path} is not a regular file. Write to a file first, and copy that to a stick.",
        )
    if not force and not is_ours(path):
        raise ImageError(
            DESTINATION_FOREIGN,
            f"{path} exists and is none that flotta.edge made. Choose another name, or allow it "
            "with force.",
        )
    return found


def require_other_than_base(base: Iso, seed: bool, path: Path, force: bool) -> None:
    """Raise ImageError when the file at a destination is a base, or a medium of the other kind.

    The base that is copied is never replaced, another one by force alone.
    """
    if os.path.samestat(os.fstat(base.handle), path.stat()):
        raise _another_file(path, "is the base itself. Choose another name")
    if force:
        return
    with open_iso(path) as iso:
        medium = read_medium(iso)
        if medium is None:
            return
        if is_seed(iso) is not seed:
            raise _another_file(path, f"{'is an ISO' if seed else 'is a seed'}. {ALLOW}")
        record = None if seed else read_record(base)
        if medium.state == "pristine" and medium.record != record:
            raise _another_file(path, f"is another base, without settings. {ALLOW}")


def _another_file(path: Path, problem: str) -> ImageError:
    return ImageError(DESTINATION_FOREIGN, f"{path} {problem}.")


def same_frame(iso: Iso, other: Iso) -> bool:
    """Tell whether size, boot sector, descriptors and boot catalogue of two ISOs are the same."""
    if iso.size != other.size:
        return False
    head = min(iso.size, (FIRST_DESCRIPTOR + DESCRIPTORS) * SECTOR)
    if iso.read_at(0, head) != other.read_at(0, head):
        return False
    offset = catalogue_offset(iso)
    return offset is None or iso.read_at(offset, SECTOR) == other.read_at(offset, SECTOR)


def same_outside(iso: Iso, other: Iso, area: Extent, block: int = 1 << 20) -> bool:
    """Tell whether two ISOs are the same, byte for byte, but for an area."""
    if iso.size != other.size:
        return False
    spans = [(0, area.offset), (area.offset + area.size, iso.size)]
    return all(
        iso.read_at(offset, min(block, end - offset))
        == other.read_at(offset, min(block, end - offset))
        for start, end in spans
        for offset in range(start, end, block)
    )
