"""Disks, device nodes and mounted file systems."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from flotta.protocol.hardware import Disk, HostDevice, Mount
from flotta.worker.hardware.sysfs import list_directory, read_number, read_text

SECTOR = 512  # bytes; the unit of /sys/block/*/size whatever the disk has
NO_DISKS = ("loop", "ram", "zram", "dm-", "md", "sr", "fd", "nbd")
SKIPPED_IN_DEV = {"pts", "shm", "fd", "mqueue", ".lxc", ".lxd-mounts", ".udev", "console"}
OF_EVERY_KERNEL = re.compile(
    r"(tty|vcs[au]?|loop|ram)\d*|loop-control"
)  # hundreds that say nothing about the device
NETWORK_TYPES = {"nfs", "nfs4", "cifs", "smb3", "9p", "virtiofs", "ceph", "fuse.sshfs"}
CONTAINER_ROOTS = ("/var/lib/containers/", "/run/", "/var/lib/docker/")


def read_disks(root: Path) -> list[Disk | None]:
    """Return the whole disks below /sys/block."""
    links = _read_disk_links(root)
    return [
        _read_disk(entry, links.get(entry.name, {}))
        for entry in list_directory(root / "sys/block")
        if not entry.name.startswith(NO_DISKS)
    ]


def _read_disk(entry: Path, links: dict[str, str]) -> Disk:
    device = entry / "device"
    by_id, by_path = links.get("by-id"), links.get("by-path")
    return Disk(
        name=entry.name,
        path=f"/dev/{entry.name}",
        id=by_id or by_path,
        by_id=by_id,
        by_path=by_path,
        size_bytes=(read_number(entry / "size") or 0) * SECTOR,
        drive_type="HDD" if read_text(entry / "queue/rotational") == "1" else "SSD",
        vendor=read_text(device / "vendor") or None,
        model=read_text(device / "model") or read_text(device / "name") or None,
        serial=read_text(device / "serial") or read_text(entry / "serial") or None,
        wwn=read_text(device / "wwid") or read_text(entry / "wwid") or None,
    )


def _read_disk_links(root: Path) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for kind in ("by-id", "by-path"):
        for link in list_directory(root / "dev/disk" / kind):
            name = os.path.basename(os.path.realpath(link))
            found.setdefault(name, {}).setdefault(kind, f"/dev/disk/{kind}/{link.name}")
    return found


def read_host_devices(root: Path) -> list[HostDevice | None]:
    """Return the block and character devices below /dev, without consoles, loop and RAM disks."""
    return [_read_host_device(path, root) for path in _find_nodes(root / "dev")]


def _find_nodes(folder: Path) -> Iterator[Path]:
    for entry in list_directory(folder):
        if entry.name in SKIPPED_IN_DEV or entry.is_symlink():
            continue
        if entry.is_dir():
            yield from _find_nodes(entry)
        elif OF_EVERY_KERNEL.fullmatch(entry.name):
            continue
        elif entry.is_block_device() or entry.is_char_device():
            yield entry


def _read_host_device(path: Path, root: Path) -> HostDevice | None:
    try:
        status = path.lstat()
    except OSError:
        return None
    return HostDevice(
        path=f"/{path.relative_to(root)}",
        device_type="b" if stat.S_ISBLK(status.st_mode) else "c",
        uid=status.st_uid,
        gid=status.st_gid,
        major=os.major(status.st_rdev),
        minor=os.minor(status.st_rdev),
    )


def read_mounts(root: Path) -> list[Mount | None]:
    """Return mounted disks and network shares (proc_pid_mountinfo(5)), not those of containers."""
    lines = read_text(root / "proc/self/mountinfo").splitlines()
    return [mount for line in lines if (mount := _parse_mount(line)) is not None]


def _parse_mount(line: str) -> Mount | None:
    left, dash, right = line.partition(" - ")
    fields, rest = left.split(" "), right.split(" ")
    if not dash or len(fields) < 6 or len(rest) < 2:
        return None
    _, _, _, _, mount_point, options, *_ = fields
    kind, source, *_ = rest
    directory, device = _unescape(mount_point), _unescape(source)
    real = device.startswith("/dev/") or kind in NETWORK_TYPES or directory == "/"
    if not real or directory.startswith(CONTAINER_ROOTS):
        return None
    return Mount(device=device, directory=directory, type=kind, options=f"({options})")


def _unescape(text: str) -> str:
    for escaped, char in ((r"\040", " "), (r"\011", "\t"), (r"\012", "\n"), (r"\134", "\\")):
        text = text.replace(escaped, char)
    return text
