"""The disk that the settings name for the state: how it is found, and whether it may be used.

There is no udev before systemd, so the names below `/dev/disk` are compared with what the kernel
knows of each disk. The rules are in docs/reference/images.md#state-disk.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

from flotta.durable_files import read_bounded
from flotta.live.state.area import LEAST, MEBIBYTE, Area, Contents
from flotta.live.state.block_device import BlockDevice, is_in_use, is_partition
from flotta.live.state.commands import run
from flotta.live.state.errors import NoState
from flotta.protocol.reasons.live import (
    STATE_DISK_MISSING,
    STATE_DISK_TAKEN,
    STATE_DISK_UNSUITABLE,
    STATE_READ_ONLY,
    STATE_TOO_SMALL,
)

DISKS = Path("sys/block")
NOT_DISKS = re.compile(r"(loop|ram|zram|sr|fd|dm-|md|nbd|mtd)\d+")
BY_ID, BY_PATH, SERIAL = "/dev/disk/by-id/", "/dev/disk/by-path/", "serial="
# Below the directory of a disk: virtio; nvme and mmc; SCSI and SATA; USB; names that are worldwide.
SERIALS = ("serial", "device/serial", "device/vpd_pg80", "device/../../../../serial")
WORLD_WIDE = ("wwid", "device/wwid")
MAX_VALUE = 4096  # bytes
APPEARS = 10.0  # seconds in which a disk must have shown up; USB takes a few
RETRY = 0.25  # seconds
LEAST_SERIAL = 3  # characters; less would match by accident


def find_disk(name: str, root: Path) -> Path:
    """Return the disk of a name; waits APPEARS for one that is not there yet. Raises NoState."""
    deadline = time.monotonic() + APPEARS
    while True:
        found = _match(name, root)
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


def _match(name: str, root: Path) -> list[Path]:
    if name.startswith(SERIAL):
        wanted = _plain(name.removeprefix(SERIAL))
        return [_node(disk, root) for disk in _disks(root) if wanted in _serials(disk)]
    if name.startswith(BY_ID):
        identity = name.removeprefix(BY_ID)
        return [_node(disk, root) for disk in _disks(root) if _is_identity(disk, identity)]
    if name.startswith(BY_PATH):
        path = name.removeprefix(BY_PATH)
        return [_node(disk, root) for disk in _disks(root) if _bus_path(disk) == path]
    given = root / name.lstrip("/")
    return [given] if given.is_block_device() or given.is_file() else []


def _disks(root: Path) -> Iterator[Path]:
    folder = root / DISKS
    names = sorted(os.listdir(folder)) if folder.is_dir() else []
    yield from (folder / name for name in names if not NOT_DISKS.fullmatch(name))


def _node(disk: Path, root: Path) -> Path:
    return root / "dev" / disk.name.replace("!", "/")


def _serials(disk: Path) -> set[str]:
    return {text for text in (_plain(_read(disk / name)) for name in SERIALS) if len(text) > 2}


def _is_identity(disk: Path, identity: str) -> bool:
    """Tell whether a name of udev is that of a disk: it ends with the serial number or WWN."""
    if identity.startswith("wwn-0x"):
        number = identity.removeprefix("wwn-0x")
        return any(_read(disk / name).removeprefix("naa.") == number for name in WORLD_WIDE)
    plain = re.sub(r"-\d+:\d+$", "", identity)  # USB: LUN at the end
    return any(re.search(rf"[-_]{re.escape(serial)}$", plain) for serial in _serials(disk))


def _bus_path(disk: Path) -> str:
    """Return ID_PATH as udev computes it, which needs no daemon for it."""
    try:
        said = run("udevadm", "test-builtin", "path_id", str(disk), accept=tuple(range(256))).stdout
    except NoState:
        return ""
    values = (line.partition("=") for line in said.splitlines())
    return next((value.strip() for key, _, value in values if key == "ID_PATH"), "")


def _read(path: Path) -> str:
    try:
        content = read_bounded(path, MAX_VALUE)
    except OSError:
        return ""
    if path.name == "vpd_pg80":  # a header of four bytes, SPC-4, 7.8.18
        content = content[4:]
    return content.decode("ascii", "replace").strip("\0 \n")


def _plain(text: str) -> str:
    """Return a value as udev writes it in names: blanks are underscores."""
    return re.sub(r"\s+", "_", text.strip())
