"""The place for the state on the boot medium: a partition behind the ISO.

It begins at a whole GiB, so that another ISO that is written over the medium leaves it alone and
finds it again. The rules are in docs/reference/images.md#state-on-the-boot-medium.
"""

from __future__ import annotations

import struct
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

from flotta.live.state.area import LABEL, LEAST, MEBIBYTE, Area
from flotta.live.state.block_device import BlockDevice, is_partition
from flotta.live.state.errors import NoState
from flotta.live.state.gpt import PRIMARY, Entry, Table, last_sector, read_table
from flotta.live.state.signatures import ext_label, list_signatures, probe
from flotta.protocol.reasons.live import (
    STATE_PLACE_TAKEN,
    STATE_READ_ONLY,
    STATE_TOO_SMALL,
    STATE_UNSUITABLE,
)

TYPE = uuid.UUID("a8135ab0-92f8-403f-b402-7df0a240c801")  # of partitions with the state of flotta
NAME = "flotta-state"
GIBIBYTE = 1 << 30
SEARCHED = 16  # GiB in which the state of an earlier ISO is looked for
SECTOR = 512  # bytes; firmware boots ISOs from no disks with larger sectors
ALIGNMENT = MEBIBYTE // SECTOR  # sectors
READ_ONLY = 1 << 60  # attribute that xorriso gives the partitions of an ISO, with these names
ISO_NAMES = "Gap", "EFI boot partition", "ISOHybrid", "Appended"
MARGIN = MEBIBYTE  # bytes behind the ISO that stay free; the backup of its table is there
VOLUME_DESCRIPTOR, DESCRIPTOR_ID = 16 * 2048, b"\x01CD001"  # ECMA-119, 8.4
SPACE_SIZE = 80  # offset of the number of blocks of 2,048 bytes


@dataclass(frozen=True)
class Place:
    """Where the state is, or goes."""

    area: Area
    table: Table | None  # to be written first; None when it is on the medium already
    known: bool  # whether the place was ours before; else nothing may be there


def find_place(device: BlockDevice) -> Place:
    """Return the place for the state on a boot medium; nothing is written.

    Raises NoState when there is none, and OSError.
    """
    table, end = _check_medium(device)
    ours = [part for part in table.partitions if part.kind == TYPE]
    if len(ours) > 1:
        raise NoState(STATE_UNSUITABLE, "The boot medium has several partitions for the state.")
    if ours:
        whole = read_table(device, PRIMARY) is not None
        return Place(_area(device, _check(table, ours[0], end)), None if whole else table, True)
    entry, known = _find_earlier(device, table, end)
    table = _keep_others(device, table, end)
    if entry is None:
        entry = _new_entry(device, table, -(-end // GIBIBYTE) * GIBIBYTE)
    if any(part.first <= entry.last and entry.first <= part.last for part in table.partitions):
        raise NoState(STATE_PLACE_TAKEN, "Another partition is where the state would go.")
    return Place(_area(device, entry), _add(table, entry), known)


def holds_state(device: BlockDevice) -> bool:
    """Tell whether a state of ours seems to be on a boot medium, usable or not. Raises OSError."""
    if device.size < LEAST:
        return False
    tables = (read_table(device, at) for at in (PRIMARY, last_sector(device)))
    entered = any(part.kind == TYPE for table in tables if table for part in table.partitions)
    return entered or any(ext_label(device, start) == LABEL for start in _starts(0))


def check_free(place: Place) -> None:
    """Raise NoState unless nothing is known to be where a new partition goes."""
    area = place.area
    device = area.device
    behind = device.size - area.offset
    found = area.find_foreign() or probe(device, area.offset, behind) or _foreign_end(area)
    if found:
        raise NoState(STATE_PLACE_TAKEN, f"The boot medium has {found} where the state would go.")


def _check_medium(device: BlockDevice) -> tuple[Table, int]:
    """Return the partition table and the end of the ISO in bytes."""
    if is_partition(device.path) or device.sector != SECTOR:
        raise NoState(STATE_UNSUITABLE, "The boot medium is not a whole disk with sectors of 512.")
    if not device.writable:
        raise NoState(STATE_READ_ONLY, "The boot medium cannot be written.")
    descriptor = device.read(VOLUME_DESCRIPTOR, 2048)
    if not descriptor.startswith(DESCRIPTOR_ID):
        raise NoState(STATE_UNSUITABLE, "The boot medium does not begin with an ISO.")
    (blocks,) = struct.unpack_from("<I", descriptor, SPACE_SIZE)
    table = _read_any_table(device)
    if table is None:
        raise NoState(STATE_UNSUITABLE, "The boot medium has no partition table that is whole.")
    return table, blocks * 2048 + MARGIN


def _read_any_table(device: BlockDevice) -> Table | None:
    """Return the primary table, or the backup if a power cut left the primary half written.

    Its backup is, or will be, in the last sector. A backup of others is not trusted.
    """
    last = last_sector(device)
    table = read_table(device, PRIMARY)
    if table is not None:
        return table.move_end(last)
    backup = read_table(device, last)
    if backup is None or not any(part.kind == TYPE for part in backup.partitions):
        return None
    return Table(
        **{
            **vars(backup),
            "at": PRIMARY,
            "alternate": last,
            "entries_at": PRIMARY + 1,
        }
    )


def _keep_others(device: BlockDevice, table: Table, end: int) -> Table:
    """Return the table with the partitions of others that only the backup names any more.

    An ISO that is written over a stick replaces the table, and not what is behind the ISO.
    """
    for part in _list_others(device, table, end):
        if part.last > table.last_usable:
            raise NoState(STATE_PLACE_TAKEN, "Another partition reaches the end of the medium.")
        table = _add(table, part)
    return table


def _add(table: Table, entry: Entry) -> Table:
    try:
        return table.add(entry)
    except ValueError as error:
        raise NoState(STATE_UNSUITABLE, f"The boot medium cannot be used: {error}.") from error


def _list_others(device: BlockDevice, table: Table, end: int) -> Iterator[Entry]:
    """Yield partitions that begin behind the ISO, without ours and those of an earlier ISO."""
    backup = read_table(device, last_sector(device))
    for part in backup.partitions if backup else ():
        behind = part.first * SECTOR >= end - MARGIN
        known = any(part.first == one.first and part.last == one.last for one in table.partitions)
        if behind and not known and part.kind != TYPE and not _is_of_iso(part):
            yield part


def _is_of_iso(part: Entry) -> bool:
    return bool(part.attributes & READ_ONLY) and part.name.startswith(ISO_NAMES)


def _find_earlier(device: BlockDevice, table: Table, end: int) -> tuple[Entry | None, bool]:
    """Return the partition that an earlier ISO had, which this one was written over."""
    backup = read_table(device, last_sector(device))
    for part in backup.partitions if backup else ():
        if part.kind == TYPE and _fits(table, part, end):
            return part, True
    for start in _starts(end):
        if ext_label(device, start) == LABEL:
            return _new_entry(device, table, start), True
    return None, False


def _starts(end: int) -> Iterator[int]:
    yield from (
        gibibyte * GIBIBYTE for gibibyte in range(1, SEARCHED + 1) if gibibyte * GIBIBYTE >= end
    )


def _new_entry(device: BlockDevice, table: Table, start: int) -> Entry:
    """Return the partition from `start` to the end of the medium."""
    first = start // SECTOR
    last = (table.last_usable + 1) // ALIGNMENT * ALIGNMENT - 1
    if (last + 1 - first) * SECTOR < LEAST:
        least = -(-(start + LEAST + MEBIBYTE) // MEBIBYTE)
        raise NoState(
            STATE_TOO_SMALL,
            f"The boot medium has {device.size // MEBIBYTE} MiB, and the state begins at "
            f"{start // MEBIBYTE} MiB: it needs at least {least} MiB.",
        )
    return Entry(TYPE, uuid.uuid4(), first, last, 0, NAME)


def _check(table: Table, part: Entry, end: int) -> Entry:
    if not _fits(table, part, end):
        raise NoState(
            STATE_UNSUITABLE,
            "The partition for the state overlaps the ISO or the end of the medium.",
        )
    return part


def _fits(table: Table, part: Entry, end: int) -> bool:
    inside = end <= part.first * SECTOR and part.last <= table.last_usable
    return inside and (part.last + 1 - part.first) * SECTOR >= LEAST


def _area(device: BlockDevice, entry: Entry) -> Area:
    return Area(device, entry.first * SECTOR, (entry.last + 1 - entry.first) * SECTOR)


def _foreign_end(area: Area) -> str:
    """Return what wipefs finds from the start of the area on, besides a backup that was read."""
    device = area.device
    last = last_sector(device)
    backup = last * device.sector if read_table(device, last) else None
    found = (
        one.kind
        for one in list_signatures(device)
        if one.offset >= area.offset and (one.kind, one.offset) != ("gpt", backup)
    )
    return next(found, "")
