"""How an ISO boots: the entries of its boot catalogue (El Torito 1.0, UEFI 2.10, 13.3.2.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flotta.images.iso.iso9660 import BOOT_RECORD, SECTOR, Iso

SYSTEM = b"EL TORITO SPECIFICATION"
BIOS, UEFI = "bios", "uefi"
PLATFORMS = {0x00: BIOS, 0xEF: UEFI}
ENTRY = 32  # bytes
BOOTABLE = 0x88
HEADER, LAST_HEADER, EXTENSION = 0x90, 0x91, 0x44
MAX_ENTRIES = 64
HALF_SECTOR = 512  # bytes, in which sizes are given


@dataclass(frozen=True)
class BootEntry:
    """A boot image: firmware that starts it, offset and size in bytes."""

    firmware: str
    offset: int
    size: int


def read_boot_entries(iso: Iso) -> Sequence[BootEntry]:
    """Return the bootable entries for BIOS and UEFI, none of an ISO that does not boot."""
    offset = catalogue_offset(iso)
    if offset is None or offset + SECTOR > iso.size:
        return []
    data = iso.read_at(offset, SECTOR)
    if data[0] != 1 or data[30:32] != b"\x55\xaa":
        return []
    return [entry for entry in _parse(data) if entry.offset + HALF_SECTOR <= iso.size]


def catalogue_offset(iso: Iso) -> int | None:
    """Return where the boot catalogue is, None if there is none."""
    for data in iso.descriptors:
        if data[0] == BOOT_RECORD and data[7:39].rstrip(b"\0") == SYSTEM:
            return int.from_bytes(data[71:75], "little") * SECTOR
    return None


def bootable_by(iso: Iso) -> frozenset[str]:
    """Return the kinds of firmware that start this ISO."""
    return frozenset(entry.firmware for entry in read_boot_entries(iso))


def _parse(data: bytes) -> list[BootEntry]:
    platform, found = data[1], []
    for index in range(1, min(MAX_ENTRIES, len(data) // ENTRY)):
        entry = data[index * ENTRY : (index + 1) * ENTRY]
        if entry[0] in (HEADER, LAST_HEADER):
            platform = entry[1]
        elif entry[0] == BOOTABLE and platform in PLATFORMS:
            start = int.from_bytes(entry[8:12], "little") * SECTOR
            size = int.from_bytes(entry[6:8], "little") * HALF_SECTOR
            found.append(BootEntry(PLATFORMS[platform], start, size))
    return found
