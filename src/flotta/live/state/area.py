"""The bytes of a device that hold the state: an ext4 file system, and room for a mark behind it.

A label alone makes no state: a superblock of ours outlives a new partition table and much else. A
place is ours if nothing but our file system is found there.

Making a file system takes a while, and the power may go at any moment. So that a place of ours that
is half made is told from a file system that is damaged, which is never formatted, a mark is written
before and removed afterwards. The file system gets its label last. Its first KiB is never written:
what is there under a mark is not ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path

from flotta.live.state.block_device import BlockDevice
from flotta.live.state.commands import run
from flotta.live.state.signatures import ext_label, has_ext_magic, list_signatures, probe

LABEL = "FLOTTA_STATE"
UNREADY = "FLOTTA_UNREADY"  # the label while it is made
MEBIBYTE = 1 << 20
LEAST = 256 * MEBIBYTE  # bytes; less holds no image of a container
BOOT_BLOCK = 1024  # bytes before a superblock, which mkfs leaves zero
EXT4 = "ext4"  # as wipefs names it
MARK_ROOM = MEBIBYTE  # bytes behind the file system
# Where the first backup of a superblock is: group 1 of blocks of 1, 2 and 4 KiB (mke2fs(8)).
BACKUPS = tuple(block * size for block, size in ((8193, 1024), (16384, 2048), (32768, 4096)))
MARK = b"flotta.edge: a file system for the state is being made here\n".ljust(512, b"\0")


class Contents(Enum):
    """What an area holds."""

    STATE = auto()  # a file system of ours
    UNFINISHED = auto()  # we were making one
    EMPTY = auto()  # nothing was ever written, as far as a look at some places tells
    OTHER = auto()


@dataclass(frozen=True)
class Area:
    """A part of a device, in bytes."""

    device: BlockDevice
    offset: int
    length: int

    def find_contents(self) -> Contents:
        """Look what is there. Raises OSError, and NoState when blkid fails."""
        label = ext_label(self.device, self.offset)
        if label == LABEL:
            return Contents.STATE if self._holds(EXT4) else Contents.OTHER
        if self.is_marked() and self.device.is_zero(self.offset, BOOT_BLOCK):
            ours = self._holds(EXT4) if label == UNREADY else self._holds()
            return Contents.UNFINISHED if ours else Contents.OTHER
        return Contents.OTHER if self.find_trace() is not None else Contents.EMPTY

    def find_trace(self) -> int | None:
        """Return where something was written, in bytes from the start; None if nothing is seen.

        Looked at are both ends, and the places of the backups of a superblock whose own is lost.
        """
        end = self.length - MARK_ROOM
        tail = (
            (self.device.size if self.is_whole else self.offset + self.length) - self.offset - end
        )
        for at, length in ((0, MEBIBYTE), (end, tail)):
            if not self.device.is_zero(self.offset + at, length):
                return at
        backups = (at for at in BACKUPS if has_ext_magic(self.device, self.offset + at))
        return next(backups, None)

    def list_signatures(self) -> list[str]:
        """Return the names of all that wipefs finds, sorted. Raises NoState."""
        length = self.device.size if self.is_whole else self.length
        return sorted({one.kind for one in list_signatures(self.device, self.offset, length)})

    @property
    def is_whole(self) -> bool:
        """Whether it is a whole disk, which may have less than a MiB behind the area."""
        return not self.offset

    def find_foreign(self) -> str:
        """Return what blkid finds at the beginning or end; empty when it finds nothing."""
        return probe(self.device, self.offset, self.length)

    def is_marked(self) -> bool:
        """Tell whether a file system was being made."""
        return self.device.read(self._mark_at, len(MARK)) == MARK

    def mark(self) -> None:
        """Note that a file system is being made."""
        self.device.write(self._mark_at, MARK)
        self.device.write(self.offset, bytes(BOOT_BLOCK))

    def unmark(self) -> None:
        """Note that it is made."""
        self.device.write(self._mark_at, bytes(len(MARK)))

    def make_file_system(self, node: Path) -> None:
        """Make the file system on `node`, which begins where the area begins. Raises NoState."""
        size = (self.length - MARK_ROOM) // 1024
        options = ("-q", "-F", "-L", UNREADY, "-E", "nodiscard", "-m", "1")
        run("mkfs.ext4", *options, str(node), f"{size}k")
        run("sync", str(node))
        run("e2label", str(node), LABEL)
        run("sync", str(node))

    def _holds(self, *kinds: str) -> bool:
        return self.list_signatures() == list(kinds)

    @property
    def _mark_at(self) -> int:
        return self.offset + self.length - MARK_ROOM
