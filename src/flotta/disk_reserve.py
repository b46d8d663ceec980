"""Room on each file system that our own writes leave free.

Pods, the configuration and removals need it: what we write in bulk (downloads, images, the state
of the synchronisation) stops before it. Numbers: docs/reference/device.md#free-disk-space.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

from flotta.protocol.reasons.reason import with_code
from flotta.protocol.reasons.workloads import DISK_RESERVE_REACHED

PART = 20  # the reserve is one in so many bytes of a file system
SMALLEST = 256 << 20  # bytes, except on a file system that is not four times as large
LARGEST = 1 << 30  # bytes


class ReserveReached(OSError):
    """A write would leave less than the reserve free; `strerror` ends with the reason."""

    def __init__(self, place: str, reserve: int) -> None:
        self.sentence = (
            f"{place} would have less than {reserve >> 20} MiB free, which are kept; remove files "
            "there or enlarge the file system"
        )
        super().__init__(errno.ENOSPC, with_code(self.sentence, DISK_RESERVE_REACHED))


def reserve_of(size: int) -> int:
    """Return how many bytes stay free on a file system of `size` bytes."""
    return min(max(size // PART, min(SMALLEST, size // 4)), LARGEST)


def check_room(place: Path | int, wanted: int = 0) -> None:
    """Raise ReserveReached unless `wanted` bytes fit beside the reserve.

    `place` is a path, of which the nearest directory that exists counts, or a descriptor. Where the
    system does not say how much is free, there is room.
    """
    try:
        found = os.statvfs(place if isinstance(place, int) else _nearest(place))
    except OSError:
        return
    free = found.f_bavail * found.f_frsize
    reserve = reserve_of(found.f_blocks * found.f_frsize)
    if found.f_blocks and free - wanted < reserve:
        raise ReserveReached(_name_of(place), reserve)


def _nearest(path: Path) -> Path:
    return next(place for place in (path, *path.parents) if place.exists() or place == place.parent)


def _name_of(place: Path | int) -> str:
    return "the file system of the file" if isinstance(place, int) else str(_nearest(place))
