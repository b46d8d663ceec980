"""Archives of the form `newc`, as the kernel unpacks them into an initramfs.

The format is in the kernel's Documentation/driver-api/early-userspace/buffer-format.rst. What is
written is the same for the same entries: inodes are counted, owners are root, times are given. The
kernel skips zeros after an archive, so one may be followed by as many as a file has to have; after
them it would unpack another archive, so nothing else may follow.
"""

from __future__ import annotations

import stat
import string
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

MAGIC = b"070701"
HEADER = 110  # bytes
FIELDS = 13  # hexadecimal numbers of 8 digits after the magic
HEXADECIMAL = frozenset(string.hexdigits.encode())
TRAILER = "TRAILER!!!"
MAX_ENTRIES = 4096
MAX_NAME = 1024  # bytes
MAX_SIZE = 64 * 1024 * 1024  # bytes of an archive that is read


class ArchiveError(ValueError):
    """The bytes are not an archive that `write_archive` could have written."""


@dataclass(frozen=True)
class Entry:
    """A directory or a regular file; `mode` has the type (stat(2)), `mtime` is a Unix time."""

    name: str
    mode: int
    mtime: int
    content: bytes = b""


def directory(name: str, mtime: int, permissions: int = 0o755) -> Entry:
    """Return the entry of a directory."""
    return Entry(name, stat.S_IFDIR | permissions, mtime)


def write_archive(entries: Iterable[Entry]) -> bytes:
    """Return the archive of the entries in their order, without padding after its end."""
    parts = [_pack(entry, inode) for inode, entry in enumerate(entries, 1)]
    parts.append(_pack(Entry(TRAILER, 0, 0), 0))
    return b"".join(parts)


def read_archive(data: bytes | memoryview) -> Iterator[Entry]:
    """Yield the entries of an archive that only zeros follow.

    Raises ArchiveError for anything that is not in the form that `write_archive` gives: another
    type of file, a name that leads out of the archive, too many entries, a missing end, and
    anything after that.
    """
    view = memoryview(data)[:MAX_SIZE]
    offset = 0
    for _ in range(MAX_ENTRIES):
        entry, offset = _unpack(view, offset)
        if entry.name == TRAILER:
            if not is_zero(memoryview(data)[offset:]):
                raise ArchiveError("there is something else after the end of the archive")
            return
        yield _checked(entry)
    raise ArchiveError(f"the archive has more than {MAX_ENTRIES} entries")


def is_zero(data: bytes | memoryview) -> bool:
    """Tell whether all bytes are zero."""
    return not bytes(data).strip(b"\0")


def _pack(entry: Entry, inode: int) -> bytes:
    name = entry.name.encode() + b"\0"
    links = 2 if stat.S_ISDIR(entry.mode) else 1
    size = len(entry.content)
    numbers = (inode, entry.mode, 0, 0, links, entry.mtime, size, 0, 0, 0, 0, len(name), 0)
    header = MAGIC + b"".join(b"%08X" % number for number in numbers)
    return _padded(header + name) + _padded(entry.content)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def _unpack(view: memoryview, offset: int) -> tuple[Entry, int]:
    header = bytes(view[offset : offset + HEADER])
    if len(header) < HEADER or header[: len(MAGIC)] != MAGIC:
        raise ArchiveError(f"there is no entry of an archive at byte {offset}")
    numbers = _numbers(header)
    mode, mtime, size, length = numbers[1], numbers[5], numbers[6], numbers[11]
    start = offset + HEADER
    content = offset + _aligned(HEADER + length)
    end = content + _aligned(size)
    if not 1 < length <= MAX_NAME or content + size > len(view):
        raise ArchiveError(f"the entry at byte {offset} leads beyond the end of the archive")
    name = _decode(bytes(view[start : start + length]), offset)
    return Entry(name, mode, mtime, bytes(view[content : content + size])), end


def _aligned(size: int) -> int:
    return size + -size % 4


def _numbers(header: bytes) -> list[int]:
    digits = header[len(MAGIC) :]
    if not HEXADECIMAL.issuperset(digits):  # int() takes signs and spaces too
        raise ArchiveError("a number in the archive is not hexadecimal")
    return [int(digits[8 * index : 8 * index + 8], 16) for index in range(FIELDS)]


def _decode(name: bytes, offset: int) -> str:
    try:
        text = name[:-1].decode()
    except UnicodeDecodeError as error:
        raise ArchiveError(f"the name at byte {offset} is not UTF-8") from error
    if name[-1:] != b"\0" or "\0" in text:
        raise ArchiveError(f"the name at byte {offset} does not end where it should")
    return text


def _checked(entry: Entry) -> Entry:
    if not (stat.S_ISREG(entry.mode) or stat.S_ISDIR(entry.mode)):
        raise ArchiveError(f"{entry.name!r} is neither a file nor a directory")
    if any(part in ("", ".", "..") for part in entry.name.split("/")):
        raise ArchiveError(f"{entry.name!r} leads out of the archive")
    return entry
