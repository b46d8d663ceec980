"""The disk that the settings name for the state: how it is found, and whether it may be used.

The rules are in docs/reference/images.md#state-disk.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from flotta.live.state.area import LEAST, MEBIBYTE, Area, Contents
from flotta.live.state.block_device import BlockDevice, is_in_use, is_partition
from flotta.live.state.disk_names import find_named
from flotta.live.state.errors import NoState
from flotta.protocol.reasons.live import (
    STATE_DISK_MISSING,
    STATE_DISK_TAKEN,
    STATE_DISK_UNSUITABLE,
    STATE_READ_ONLY,
    STATE_TOO_SMALL,
)

APPEARS = 10.0  # seconds in which a disk must have shown up; USB takes a few
RETRY = 0.25  # seconds


def find_disk(name: str, root: Path) -> Path:
    """Return the disk of a name; waits APPEARS for one that is not there yet. Raises NoState."""
    deadline = time.monotonic() + APPEARS
    while True:
        found = find_named(name, root)
        if len(found) == 1:
            return found[0]
        if found:
            several = ", ".join(map(str, found))
            raise NoState(STATE_DISK_UNSUITABLE, f"{name} is the name of several disks: {several}.")
        if time.monotonic() > deadline:
            raise NoState(STATE_DISK_MISSING, f"There is no disk {name}, which holds the state.")
        time.sleep(RETRY)


def check_disk(device: BlockDevice, name: str, medium: Path) -> Area:
    """Return the area of a disk for the state; nothing is written. Raises NoState, OSError."""
    if os.path.realpath(device.path) == os.path.realpath(medium):
        raise NoState(STATE_DISK_UNSUITABLE, f"The state disk {name} is the boot medium.")
    if is_partition(device.path) or is_in_use(device.path):
        raise NoState(STATE_DISK_UNSUITABLE, f"{name} is a partition, or is in use.")
    if not device.writable:
        raise NoState(STATE_READ_ONLY, f"The state disk {name} cannot be written.")
    if device.size < LEAST:
        raise NoState(
            STATE_TOO_SMALL, f"The state disk {name} has less than {LEAST // MEBIBYTE} MiB."
        )
    return Area(device, 0, device.size // MEBIBYTE * MEBIBYTE)


def check_empty(area: Area, contents: Contents, name: str) -> None:
    """Raise NoState unless the disk is empty, or was being made ours."""
    if contents is Contents.UNFINISHED:
        return
    found = ", ".join(area.list_signatures()) or area.find_foreign()
    if found:
        raise NoState(STATE_DISK_TAKEN, f"The state disk {name} holds {found}.")
    if contents is not Contents.EMPTY:
        where = (area.find_trace() or 0) // MEBIBYTE
        text = f"The state disk {name} is not empty: something is at {where} MiB."
        raise NoState(STATE_DISK_TAKEN, text)
