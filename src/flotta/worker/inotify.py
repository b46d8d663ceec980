"""Notice changes in directories without polling: inotify(7) by ctypes."""

from __future__ import annotations

import asyncio
import ctypes
import os
import struct
from collections.abc import Callable
from pathlib import Path

IN_CLOSE_WRITE, IN_MOVED_FROM, IN_MOVED_TO, IN_CREATE, IN_DELETE = 0x8, 0x40, 0x80, 0x100, 0x200
_HEADER = struct.Struct("iIII")
_libc = ctypes.CDLL(None, use_errno=True)


class DirectoryWatch:
    """Call back with path of each entry that appears, is completed or goes away in watched directories."""

    def __init__(self, callback: Callable[[Path, bool], None]) -> None:
        self._callback = callback
        self._directories: dict[int, Path] = {}
        self._handle = _libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._handle < 0:
            raise OSError(ctypes.get_errno(), "inotify_init1 failed")
        asyncio.get_running_loop().add_reader(self._handle, self._read)

    def add(self, directory: Path) -> bool:
        """Watch a directory; False when it does not exist (yet). Watching twice is harmless."""
        mask = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE
        watch = _libc.inotify_add_watch(self._handle, os.fsencode(directory), mask)
        if watch >= 0:
            self._directories[watch] = directory
        return bool(watch >= 0)

    def close(self) -> None:
        """Stop watching."""
        asyncio.get_running_loop().remove_reader(self._handle)
        os.close(self._handle)

    def _read(self) -> None:
        data = os.read(self._handle, 65536)
        offset = 0
        while offset < len(data):
            watch, mask, _, length = _HEADER.unpack_from(data, offset)
            offset += _HEADER.size
            name = data[offset : offset + length].rstrip(b"\0")
            offset += length
            if watch in self._directories and name:
                gone = bool(mask & (IN_DELETE | IN_MOVED_FROM))
                self._callback(self._directories[watch] / os.fsdecode(name), gone)
