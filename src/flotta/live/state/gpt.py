"""The GUID partition table of a boot medium (UEFI Specification 2.10, section 5.3).

An ISO that was written to a stick has a table that ends with the ISO. A partition behind it needs
the backup at the end of the stick. The table is written here and not by sfdisk, which would write
sector 0 as well and lose the mark of the bootable partition that some firmware wants. The order of
the writes is that of the specification: the backup first, so that a power cut leaves one table that
is whole.
"""

from __future__ import annotations

import struct
import uuid
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from flotta.live.state.block_device import BlockDevice

SIGNATURE = b"EFI PART"
REVISION = 0x00010000
HEADER = struct.Struct("<8sIIIIQQQQ16sQIII")
HEADER_SIZE = HEADER.size  # 92 bytes; what follows in the sector is zero
ENTRY = struct.Struct("<16s16sQQQ72s")
LEAST_ENTRY, MOST_ENTRIES = ENTRY.size, 1024
PRIMARY = 1  # sector of the header
UNUSED = uuid.UUID(int=0)


class Write(NamedTuple):
    """Bytes that go to an offset of the device."""

    offset: int
    content: bytes


@dataclass(frozen=True)
class Entry:
    """A partition; sectors are counted from the start of the device, `last` is inclusive."""

    kind: uuid.UUID
    unique: uuid.UUID
    first: int
    last: int
    attributes: int
    name: str

    def encode(self, size: int) -> bytes:
        """Return the entry as it is on disk."""
        packed = ENTRY.pack(
            self.kind.bytes_le,
            self.unique.bytes_le,
            self.first,
            self.last,
            self.attributes,
            self.name.encode("utf-16-le"),
        )
        return packed.ljust(size, b"\0")


@dataclass(frozen=True)
class Table:
    """A header that was checked, with the entries that it is the checksum of."""

    disk: bytes  # GUID
    sector: int  # bytes
    at: int  # sector of this header
    alternate: int  # sector of the other one
    first_usable: int
    last_usable: int
    entries_at: int  # sector
    entry_size: int
    entries: bytes

    @property
    def sectors(self) -> int:
        """How many sectors the entries take."""
        return -(-len(self.entries) // self.sector)

    @property
    def partitions(self) -> Sequence[Entry]:
        """The partitions that there are."""
        return [entry for entry in map(_decode, self._slots()) if entry.kind != UNUSED]

    def add(self, entry: Entry) -> Table:
        """Return the table with one more partition; ValueError where there is no room."""
        for index, slot in enumerate(self._slots()):
            if _decode(slot).kind == UNUSED:
                at = index * self.entry_size
                encoded = entry.encode(self.entry_size)
                entries = self.entries[:at] + encoded + self.entries[at + self.entry_size :]
                return replace(self, entries=entries)
        raise ValueError("the partition table is full")

    def move_end(self, last: int) -> Table:
        """Return the primary table whose backup is in the last sector of the device."""
        return replace(self, at=PRIMARY, alternate=last, last_usable=last - self.sectors - 1)

    def backup(self) -> Table:
        """Return the backup of a primary table."""
        return replace(
            self, at=self.alternate, alternate=self.at, entries_at=self.alternate - self.sectors
        )

    def encode_header(self) -> bytes:
        """Return the sector of the header."""
        empty = self._pack(0)
        return self._pack(zlib.crc32(empty)).ljust(self.sector, b"\0")

    def _pack(self, checksum: int) -> bytes:
        return HEADER.pack(
            SIGNATURE,
            REVISION,
            HEADER_SIZE,
            checksum,
            0,
            self.at,
            self.alternate,
            self.first_usable,
            self.last_usable,
            self.disk,
            self.entries_at,
            len(self.entries) // self.entry_size,
            self.entry_size,
            zlib.crc32(self.entries),
        )

    def _slots(self) -> Sequence[bytes]:
        size = self.entry_size
        return [self.entries[at : at + size] for at in range(0, len(self.entries), size)]


def read_table(device: BlockDevice, at: int) -> Table | None:
    """Return the table whose header is in sector `at`; None where there is none that is whole."""
    raw = device.read(at * device.sector, HEADER_SIZE)
    if len(raw) < HEADER_SIZE or not raw.startswith(SIGNATURE):
        return None
    fields = HEADER.unpack(raw)
    _, _, size, checksum, _, own, alternate, first, last, disk, entries_at, count, entry, crc = (
        fields
    )
    whole = zlib.crc32(raw[:16] + bytes(4) + raw[20:]) == checksum
    if size != HEADER_SIZE or own != at or not whole:
        return None
    if entry < LEAST_ENTRY or entry % 8 or entry > device.sector or not 0 < count <= MOST_ENTRIES:
        return None
    if entries_at > last_sector(device):
        return None
    entries = device.read(entries_at * device.sector, count * entry)
    if len(entries) != count * entry or zlib.crc32(entries) != crc:
        return None
    return Table(disk, device.sector, own, alternate, first, last, entries_at, entry, entries)


def last_sector(device: BlockDevice) -> int:
    """Return the number of the last sector, where a backup belongs."""
    return device.size // device.sector - 1


def plan_writes(table: Table) -> Sequence[Write]:
    """Return the writes that put a primary table and its backup on the device, in their order."""
    backup = table.backup()
    return [
        Write(part.entries_at * part.sector, part.entries)
        if entries
        else Write(part.at * part.sector, part.encode_header())
        for part in (backup, table)
        for entries in (True, False)
    ]


def _decode(slot: bytes) -> Entry:
    kind, unique, first, last, attributes, name = ENTRY.unpack(slot[: ENTRY.size])
    text = name.decode("utf-16-le", "replace").partition("\0")[0]
    return Entry(
        uuid.UUID(bytes_le=kind), uuid.UUID(bytes_le=unique), first, last, attributes, text
    )
