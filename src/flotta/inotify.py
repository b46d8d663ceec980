"""inotify(7) by ctypes: the only module that calls it.

The kernel's queue is finite. When it overflows, events are lost, and the kernel reports only that;
every reader must then check everything that it watches (`Event.overflow`).
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass

# Masks of inotify(7).
MODIFY, ATTRIB, CLOSE_WRITE = 0x2, 0x4, 0x8
MOVED_FROM, MOVED_TO, CREATE, DELETE = 0x40, 0x80, 0x100, 0x200
DELETE_SELF, MOVE_SELF = 0x400, 0x800
ONLYDIR = 0x01000000
OVERFLOW, IGNORED = 0x4000, 0x8000
HEADER = struct.Struct("iIII")  # struct inotify_event without its name
BUFFER_SIZE = 64 * 1024  # bytes of events read at once
LIBC = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Event:
    """A change of a watched directory (`name` is then empty) or of an entry in it."""

    watch: int  # what `Inotify.add` returned; -1 for an overflow
    mask: int
    name: str

    @property
    def overflow(self) -> bool:
        """Whether events were lost, so that anything that is watched may have changed."""
        return bool(self.mask & OVERFLOW)

    @property
    def removed(self) -> bool:
        """Whether the entry was deleted or moved away."""
        return bool(self.mask & (DELETE | MOVED_FROM))

    @property
    def watch_ended(self) -> bool:
        """Whether the watched directory is gone, and its watch number with it."""
        return bool(self.mask & IGNORED)


class Inotify:
    """An inotify instance; raises OSError when the limit of instances is reached."""

    def __init__(self) -> None:
        self.descriptor: int = LIBC.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self.descriptor < 0:
            raise OSError(ctypes.get_errno(), "inotify_init1 failed")

    def add(self, path: bytes, mask: int) -> int:
        """Watch a path and return the watch number; a path that is watched already keeps its own.

        Raises OSError: no such path, or the limit of watches is reached.
        """
        watch: int = LIBC.inotify_add_watch(self.descriptor, path, mask)
        if watch < 0:
            raise OSError(ctypes.get_errno(), "inotify_add_watch failed", os.fsdecode(path))
        return watch

    def read(self) -> Iterator[Event]:
        """Yield the events that happened since the last call, without waiting."""
        while True:
            try:
                data = os.read(self.descriptor, BUFFER_SIZE)
            except BlockingIOError:
                return
            yield from _events(data)

    def close(self) -> None:
        """End all watches."""
        os.close(self.descriptor)


def _events(data: bytes) -> Iterator[Event]:
    offset = 0
    while offset < len(data):
        watch, mask, _, length = HEADER.unpack_from(data, offset)
        offset += HEADER.size
        name = data[offset : offset + length].rstrip(b"\0")
        offset += length
        yield Event(watch, mask, os.fsdecode(name))
