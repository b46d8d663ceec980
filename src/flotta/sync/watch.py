"""inotify as a hint that nothing below an export directory changed; a full walk stays the truth.

Source: inotify(7). Watches are set through descriptors (/proc/self/fd), so no path is resolved.
"""

from __future__ import annotations

import ctypes
import os
import struct
from contextlib import suppress

_EVENT = struct.Struct("iIII")
_BUFFER = 64 * 1024
_MODIFY, _ATTRIB, _CLOSE_WRITE = 0x2, 0x4, 0x8
_MOVED, _CREATE, _DELETE = 0xC0, 0x100, 0x200
_DELETE_SELF, _MOVE_SELF = 0x400, 0x800
_Q_OVERFLOW, _IGNORED = 0x4000, 0x8000
_ONLYDIR = 0x01000000
_MASK = (
    _MODIFY | _ATTRIB | _CLOSE_WRITE | _MOVED | _CREATE | _DELETE | _DELETE_SELF | _MOVE_SELF
) | _ONLYDIR


class TreeWatch:
    """Watches directories of several workloads; says which of them something happened in."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor: int = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        self._workloads: dict[int, str] = {}
        self._incomplete: set[str] = set()

    def begin(self, workload: str) -> None:
        """Start adding the directories of a workload (again)."""
        self._incomplete.discard(workload)
        if self._descriptor < 0:
            self._incomplete.add(workload)

    def add(self, workload: str, directory: int) -> None:
        """Watch an open directory; call it before looking into it."""
        path = f"/proc/self/fd/{directory}".encode()
        number = self._libc.inotify_add_watch(self._descriptor, path, _MASK)
        if number < 0:
            self._incomplete.add(workload)  # the limit of watches is reached
        else:
            self._workloads[number] = workload

    def is_complete(self, workload: str) -> bool:
        """Say whether every directory added since `begin` is watched."""
        return workload not in self._incomplete

    def changed(self) -> set[str]:
        """Return the workloads in which something happened since the last call."""
        found: set[str] = set()
        with suppress(BlockingIOError, OSError):
            while data := os.read(self._descriptor, _BUFFER):
                self._take(data, found)
        return found

    def _take(self, data: bytes, found: set[str]) -> None:
        offset = 0
        while offset < len(data):
            number, mask, _, length = _EVENT.unpack_from(data, offset)
            offset += _EVENT.size + length
            if mask & _Q_OVERFLOW:
                found.update(self._workloads.values())
            elif number in self._workloads:
                found.add(self._workloads[number])
            if mask & _IGNORED:
                self._workloads.pop(number, None)
