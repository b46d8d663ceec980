"""A disk, read and written in place."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

BLKSSZGET = 0x1268  # _IO(0x12, 104), linux/fs.h: the size of a logical sector
SECTOR = 512  # bytes of a sector of a regular file
BLOCK_DEVICES = Path("/sys/class/block")
WRITE_PROTECTED = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})


@dataclass(frozen=True)
class BlockDevice:
    """An open block device, or an image of one in a file; offsets and sizes are bytes."""

    path: Path
    handle: int
    size: int
    sector: int  # bytes of a logical sector
    writable: bool

    def read(self, offset: int, length: int) -> bytes:
        """Return `length` bytes, fewer at the end of the device. Raises OSError."""
        found = bytearray()
        while len(found) < length:
            piece = os.pread(self.handle, length - len(found), offset + len(found))
            if not piece:
                break
            found += piece
        return bytes(found)

    def write(self, offset: int, content: bytes) -> None:
        """Write, and return when it is on the disk. Raises OSError."""
        rest = memoryview(content)
        while rest:
            done = os.pwrite(self.handle, rest, offset)
            rest, offset = rest[done:], offset + done
        os.fsync(self.handle)

    def is_zero(self, offset: int, length: int) -> bool:
        """Tell whether nothing was ever written there, or it was erased (flash: 0xFF)."""
        found = self.read(offset, length)
        return found in (bytes(len(found)), b"\xff" * len(found))


@contextlib.contextmanager
def open_device(path: Path) -> Iterator[BlockDevice]:
    """Open a device for reading, and for writing if it is not write-protected. Raises OSError."""
    try:
        handle, writable = os.open(path, os.O_RDWR | os.O_CLOEXEC), True
    except OSError as error:
        if error.errno not in WRITE_PROTECTED:
            raise
        handle, writable = os.open(path, os.O_RDONLY | os.O_CLOEXEC), False
    try:
        size = os.lseek(handle, 0, os.SEEK_END)
        writable = writable and not is_read_only(path)
        yield BlockDevice(path, handle, size, _sector_size(handle), writable)
    finally:
        os.close(handle)


def is_read_only(path: Path) -> bool:
    """Tell whether the kernel knows a device as write-protected."""
    try:
        return (_entry(path) / "ro").read_text().strip() == "1"
    except OSError:
        return False


def is_partition(path: Path) -> bool:
    """Tell whether a device is a partition of a disk."""
    return (_entry(path) / "partition").exists()


def is_in_use(path: Path) -> bool:
    """Tell whether something else uses a whole disk: a file system, RAID, LVM, encryption."""
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_EXCL | os.O_CLOEXEC))
    except OSError as error:
        return error.errno == errno.EBUSY
    return False


def _entry(path: Path) -> Path:
    return BLOCK_DEVICES / os.path.basename(os.path.realpath(path))


def _sector_size(handle: int) -> int:
    if not stat.S_ISBLK(os.fstat(handle).st_mode):
        return SECTOR
    found = fcntl.ioctl(handle, BLKSSZGET, b"\0\0\0\0")
    return int(struct.unpack("i", found)[0])
