"""A base that is checked and ready to be copied: opened once, for one output or a thousand."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass

from flotta.images.base_record import AREA, PATH, BaseRecord, parse_record
from flotta.images.bases.base import Base
from flotta.images.bases.known import find_base
from flotta.images.errors import ImageError
from flotta.images.iso.architecture import AMD64, normalise_architecture
from flotta.images.iso.el_torito import BIOS, UEFI, bootable_by
from flotta.images.iso.iso9660 import Extent, Iso, not_iso
from flotta.images.settings.fields import invalid
from flotta.printable_text import printable
from flotta.protocol.reasons.images import (
    BASE_CHECKSUM_MISMATCH,
    BASE_NOT_BOOTABLE,
    BASE_UNKNOWN,
    WRONG_ARCHITECTURE,
)

SHA256 = re.compile("[0-9a-f]{64}")
MAX_AREA = 16 * 1024 * 1024  # bytes
BLOCK = 1 << 20  # bytes of one read


@dataclass(frozen=True)
class Demands:
    """What a base has to be.

    `checksum` is a hex SHA-256, None for any; an empty one is refused, as it may come from a
    variable that is not set. `architecture` "" accepts any, `firmware` None means what is usual for
    the architecture.
    """

    checksum: str | None = None
    architecture: str = ""
    firmware: Sequence[str] | None = None


NO_DEMANDS = Demands()


@dataclass(frozen=True)
class OpenedBase:
    """A base with its area; `iso` is open."""

    iso: Iso
    base: Base
    record: BaseRecord
    area: Extent
    firmware: frozenset[str]


def check_base(iso: Iso, demands: Demands) -> OpenedBase:
    """Return an ISO with record and area as a base, after every check but that of its hash.

    Raises ImageError for one that is of no known system, or not as demanded.
    """
    record = read_record(iso)
    base = find_base(iso, record.kind if record else None)
    if record is None:
        raise not_iso(iso.path)
    require_architecture(iso, record.architecture, demands)
    firmware = require_firmware(iso, record.architecture, demands)
    return OpenedBase(iso, base, record, require_area(iso), firmware)


def read_record(iso: Iso) -> BaseRecord | None:
    """Return the record of an ISO, None if it has none.

    Raises ImageError for a damaged one, and for one of a later release.
    """
    data = iso.read(PATH)
    if data is None:
        return None
    try:
        return parse_record(data)
    except ValueError as error:
        raise ImageError(
            BASE_UNKNOWN,
            f"The record {PATH} of {iso.path} cannot be read: {printable(str(error))}. Use the "
            "release of flotta.edge that wrote it, or a later one.",
        ) from error


def find_area(iso: Iso) -> Extent | None:
    """Return where the area is, None if there is none that could be overwritten.

    One that is larger than any of ours is none either: it is read as a whole.
    """
    record = iso.find(AREA)
    if record is None or record.is_directory or not record.is_whole:
        return None
    if not 0 < record.extent.size <= MAX_AREA:
        return None
    end = record.extent.offset + record.extent.size
    return record.extent if end <= iso.size else None


def require_area(iso: Iso) -> Extent:
    """Return the area. Raises ImageError for an ISO whose record promises one in vain."""
    area = find_area(iso)
    if area is None:
        raise ImageError(
            BASE_UNKNOWN,
            f"{iso.path} has a record and no area {AREA} that can be used. Build the base again.",
        )
    return area


def require_architecture(iso: Iso, found: str, demands: Demands) -> None:
    """Raise ImageError for the base of another architecture."""
    wanted = normalise_architecture(demands.architecture)
    if wanted and wanted != found:
        raise ImageError(
            WRONG_ARCHITECTURE,
            f"{iso.path} is for {found or 'an unknown architecture'}, and {wanted} is asked for. "
            "Use the base of that architecture.",
        )


def require_firmware(iso: Iso, architecture: str, demands: Demands) -> frozenset[str]:
    """Return the firmware that starts the ISO. Raises ImageError when some is missing."""
    usual = (BIOS, UEFI) if architecture == AMD64 else (UEFI,)
    wanted = usual if demands.firmware is None else demands.firmware
    found = bootable_by(iso)
    missing = sorted(set(wanted) - found)
    if missing:
        raise ImageError(
            BASE_NOT_BOOTABLE,
            f"{iso.path} does not boot by {' and '.join(missing).upper()}; it boots by "
            f"{', '.join(sorted(found)).upper() or 'nothing'}. Use another base, or name the "
            "firmware that the devices have.",
        )
    return found


def hash_file(handle: int) -> str:
    """Return the hex SHA-256 of a whole file by its descriptor."""
    digest, offset = hashlib.sha256(), 0
    while block := os.pread(handle, BLOCK, offset):
        digest.update(block)
        offset += len(block)
    return digest.hexdigest()


def require_checksum(iso: Iso, wanted: str) -> None:
    """Raise ImageError for a base with another SHA-256, and for what is none."""
    expected = wanted.removeprefix("sha256:").lower()
    if not SHA256.fullmatch(expected):
        raise invalid("checksum", "is not a SHA-256 of 64 hexadecimal digits")
    found = hash_file(iso.handle)
    if found != expected:
        raise ImageError(
            BASE_CHECKSUM_MISMATCH,
            f"The SHA-256 of {iso.path} is {found}, and {wanted} is expected. Get the base again, "
            "or correct the checksum.",
        )
