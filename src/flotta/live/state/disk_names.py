"""How a disk is found by the names that udev gives it: there is no udev before systemd.

The names below `/dev/disk` are compared with what the kernel knows of each disk, as
60-persistent-storage.rules of systemd builds them: the serial number or the WWN, whole.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from flotta.durable_files import read_bounded
from flotta.live.state.commands import run
from flotta.live.state.errors import NoState

DISKS = Path("sys/block")
NOT_DISKS = re.compile(r"(loop|ram|zram|sr|fd|dm-|md|nbd|mtd)\d+")
BY_ID, BY_PATH, SERIAL = "/dev/disk/by-id/", "/dev/disk/by-path/", "serial="
# Below the directory of a disk: virtio; nvme and mmc; SCSI and SATA; USB; names that are worldwide.
SERIALS = ("serial", "device/serial", "device/vpd_pg80", "device/../../../../serial")
MODELS = ("device/model", "device/name")
WORLD_WIDE = ("wwid", "device/wwid")
# Names that udev makes of a worldwide one, by its kind (SPC-4, 7.8.5; nvme(4)).
WORLD_WIDE_NAMES = {
    "naa": ("wwn-0x", "scsi-3"),
    "eui": ("nvme-eui.", "scsi-2"),
    "uuid": ("nvme-uuid.",),
    "nvme": ("nvme-nvme.",),
    "t10": ("scsi-1",),
}
MAX_VALUE = 4096  # bytes
LEAST_SERIAL = 3  # characters; less would match by accident
SURE_SERIAL = 8  # characters; a shorter serial number counts only with the model before it


def find_named(name: str, root: Path) -> list[Path]:
    """Return the disks of a name: none, one, or several that cannot be told apart."""
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
    for disk in (folder / name for name in names if not NOT_DISKS.fullmatch(name)):
        if _read(disk / "hidden") != "1":  # a path to an NVMe disk, beside the disk
            yield disk


def _node(disk: Path, root: Path) -> Path:
    return root / "dev" / disk.name.replace("!", "/")


def _serials(disk: Path) -> set[str]:
    found = (_plain(_read(disk / name)) for name in SERIALS)
    return {text for text in found if len(text) >= LEAST_SERIAL}


def _is_identity(disk: Path, identity: str) -> bool:
    """Tell whether a name of udev is that of a disk."""
    if any(identity in _world_wide_names(_read(disk / name)) for name in WORLD_WIDE):
        return True
    bus, _, rest = identity.partition("-")
    if bus == "usb":
        rest = re.sub(r"-\d+:\d+$", "", rest)  # the LUN
    if bus == "nvme" and _has_serial(disk, rest.removesuffix(f"_{_name_space(disk)}")):
        return True
    return _has_serial(disk, rest)


def _has_serial(disk: Path, rest: str) -> bool:
    """Tell whether a name without its bus is the serial number, or model and serial number."""
    models = [model for model in (_as_name(_read(disk / name)) for name in MODELS) if model]
    for serial in map(_as_name, _serials(disk)):
        model = rest.removesuffix(f"_{serial}")
        sure = len(serial) >= SURE_SERIAL or not models or any(one in model for one in models)
        if rest == serial or (model != rest and sure):
            return True
    return False


def _world_wide_names(text: str) -> list[str]:
    kind, _, number = text.partition(".")
    return [f"{start}{_as_name(number)}" for start in WORLD_WIDE_NAMES.get(kind, ())]


def _name_space(disk: Path) -> str:
    return _read(disk / "nsid") or disk.name.rpartition("n")[2]


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


def _as_name(text: str) -> str:
    """Return a value as it is in file names, where udev takes fewer letters."""
    return re.sub(r"[^\w#+.:=@-]", "_", _plain(text))
