"""Files of an ISO 9660 image, found and read in place.

ECMA-119 for descriptors and directory records, the Rock Ridge Interchange Protocol for names. Every
number comes from a file that anybody may have made: nothing is read beyond its end, and no
directory without end is followed.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from flotta.images.errors import ImageError
from flotta.protocol.reasons.images import BASE_NOT_FOUND, BASE_NOT_ISO, BASE_TRUNCATED

SECTOR = 2048  # bytes
FIRST_DESCRIPTOR = 16  # sector
MAX_DESCRIPTORS = 64
IDENTIFIER = b"CD001"
BOOT_RECORD, PRIMARY, TERMINATOR = 0, 1, 255  # types of descriptors
DIRECTORY, MULTI_EXTENT = 0x02, 0x80  # flags of a record
RECORD = 33  # bytes of a record before its name
MAX_DIRECTORY = 8 * 1024 * 1024  # bytes
MAX_MORE = 64 * 1024 * 1024  # bytes after the file system: padding, partitions of UEFI
MAX_FILE = 16 * 1024 * 1024  # bytes of a file that is read as a whole


@dataclass(frozen=True)
class Extent:
    """Where a file is: offset and size in bytes."""

    offset: int
    size: int


@dataclass(frozen=True)
class Record:
    """An entry of a directory; a file of several extents has none that could be overwritten."""

    name: str
    extent: Extent
    is_directory: bool
    is_whole: bool = True


class Iso:
    """An image that is open for reading; close it, or use it as a context manager."""

    def __init__(self, path: Path, handle: int) -> None:
        self.path = path
        self.handle = handle
        self.size = _size_of(handle)

    def __enter__(self) -> Iso:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.handle)

    def read_at(self, offset: int, size: int) -> bytes:
        """Return so many bytes. Raises ImageError where the file ends before, or cannot be read."""
        try:
            data = os.pread(self.handle, size, offset)
        except OSError as error:
            raise ImageError(
                BASE_NOT_FOUND,
                f"{self.path} cannot be read at byte {offset}: {error.strerror}. Check the disk "
                "that it is on.",
            ) from error
        if len(data) < size:
            raise truncated(self.path, offset + size, self.size)
        return data

    @cached_property
    def descriptors(self) -> list[bytes]:
        """The volume descriptors, without the one that ends them."""
        found = []
        for index in range(MAX_DESCRIPTORS):
            data = self._read_descriptor(index)
            if data[0] == TERMINATOR:
                break
            found.append(data)
        return found

    @cached_property
    def primary(self) -> bytes:
        """The primary volume descriptor."""
        primary = next((data for data in self.descriptors if data[0] == PRIMARY), None)
        if primary is None:
            raise not_iso(self.path)
        return primary

    @property
    def volume_id(self) -> str:
        """The name of the volume."""
        return self.primary[40:72].decode("ascii", "replace").rstrip()

    @property
    def volume_size(self) -> int:
        """Bytes that the file system takes, as it says itself."""
        return _number(self.primary, 80) * SECTOR

    def require_whole(self) -> None:
        """Raise ImageError for a file that is shorter than its file system."""
        if self.size < self.volume_size:
            raise truncated(self.path, self.volume_size, self.size)

    def require_no_more(self) -> None:
        """Raise ImageError for a device, and for a file with much more than the file system.

        A stick, or an image of one, has the state of a device behind the ISO, with its key.
        """
        more = self.size - self.volume_size
        if stat.S_ISBLK(os.fstat(self.handle).st_mode) or more > MAX_MORE:
            raise ImageError(
                BASE_NOT_ISO,
                f"{self.path} is not an ISO alone: {more} bytes follow it, as on a stick. Use the "
                "file that was written to the stick.",
            )

    def list_directory(self, path: str = "/") -> list[Record]:
        """Return the entries of a directory, none if there is no such directory."""
        record = self.find(path)
        if record is None or not record.is_directory:
            return []
        return list(self._records(record.extent))

    def find(self, path: str) -> Record | None:
        """Return the entry of a path, None if there is none.

        Names without Rock Ridge are compared without regard to case.
        """
        record = self._root
        for part in filter(None, path.split("/")):
            if not record.is_directory:
                return None
            entries = list(self._records(record.extent))
            found = next((entry for entry in entries if entry.name == part), None)
            found = found or next((entry for entry in entries if _same(entry.name, part)), None)
            if found is None:
                return None
            record = found
        return record

    def read(self, path: str) -> bytes | None:
        """Return the content of a file, None if there is none or it is too large to be one."""
        record = self.find(path)
        if record is None or record.is_directory or record.extent.size > MAX_FILE:
            return None
        return self.read_at(record.extent.offset, record.extent.size)

    @property
    def _root(self) -> Record:
        return _parse_record(self.primary[156:190])

    def _read_descriptor(self, index: int) -> bytes:
        offset = (FIRST_DESCRIPTOR + index) * SECTOR
        if self.size < offset + SECTOR:
            raise not_iso(self.path)
        data = self.read_at(offset, SECTOR)
        if data[1:6] != IDENTIFIER:
            raise not_iso(self.path)
        return data

    def _records(self, extent: Extent) -> Iterator[Record]:
        if extent.size > MAX_DIRECTORY:
            raise not_iso(self.path)
        data = self.read_at(extent.offset, extent.size)
        offset = 0
        while offset < len(data):
            length = data[offset]
            if length == 0:  # the rest of a sector is empty
                offset += SECTOR - offset % SECTOR
                continue
            raw = data[offset : offset + length]
            if length <= RECORD or len(raw) < length:
                raise not_iso(self.path)
            offset += length
            if raw[32] != 1 or raw[RECORD] > 1:  # not the directory itself, nor its parent
                yield _parse_record(raw)


def open_iso(path: Path, writable: bool = False) -> Iso:
    """Open an image and check that it is one, of its full length.

    Raises ImageError, before anything else is read.
    """
    access = os.O_RDWR if writable else os.O_RDONLY
    try:
        handle = os.open(path, access | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise ImageError(
            BASE_NOT_FOUND,
            f"{path} cannot be opened: {error.strerror}. Correct the path, or build a base image.",
        ) from error
    iso = Iso(path, handle)
    try:
        if not iso.size:
            raise not_iso(path)
        _ = iso.primary
        iso.require_whole()
    except BaseException:
        os.close(handle)
        raise
    return iso


def _size_of(handle: int) -> int:
    """Return the bytes of a file, or of a stick (block device), 0 for anything else."""
    mode = os.fstat(handle).st_mode
    if stat.S_ISREG(mode) or stat.S_ISBLK(mode):
        return os.lseek(handle, 0, os.SEEK_END)
    return 0


def not_iso(path: Path) -> ImageError:
    """Return the error of a file that is not an ISO."""
    return ImageError(
        BASE_NOT_ISO, f"{path} is not an ISO 9660 image. Get it again, and compare its checksum."
    )


def truncated(path: Path, needed: int, found: int) -> ImageError:
    """Return the error of a file that ends too early."""
    return ImageError(
        BASE_TRUNCATED,
        f"{path} has {found} bytes, and its file system needs {needed}. Get it again, and compare "
        "its checksum.",
    )


def _number(data: bytes, offset: int) -> int:
    return int.from_bytes(data[offset : offset + 4], "little")


def _same(name: str, part: str) -> bool:
    return name.lower() == part.lower()


def _parse_record(raw: bytes) -> Record:
    length = raw[32]
    extent = Extent(_number(raw, 2) * SECTOR, _number(raw, 10))
    plain = raw[RECORD : RECORD + length].decode("latin-1").partition(";")[0].rstrip(".")
    name = _rock_ridge_name(raw[RECORD + length + (length + 1) % 2 :]) or plain
    flags = raw[25]
    return Record(name, extent, bool(flags & DIRECTORY), not flags & MULTI_EXTENT)


def _rock_ridge_name(area: bytes) -> str:
    """Return the name in the system use area; "" if it has none (Rock Ridge, 4.1.4 "NM").

    A name that goes on elsewhere is returned as far as it is here: ours are short.
    """
    name, offset = b"", 0
    while offset + 4 <= len(area) and (length := area[offset + 2]) >= 4:
        if area[offset : offset + 2] == b"NM":
            name += area[offset + 5 : offset + length]
        offset += length
    return name.decode(errors="replace")
