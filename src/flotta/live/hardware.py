"""What firmware says about the machine: DMI (SMBIOS) or the device tree."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from flotta.durable_files import read_bounded

DMI = Path("sys/class/dmi/id")
DEVICE_TREE = Path("sys/firmware/devicetree/base")
MAX_SIZE = 4096  # bytes of a value; sysfs has no larger file


@dataclass(frozen=True)
class Serial:
    """A serial number and who gave it."""

    vendor: str
    number: str


@dataclass(frozen=True)
class Hardware:
    """What can identify a machine; texts as firmware has them, empty where it says nothing."""

    uuid: str = ""
    serials: tuple[Serial, ...] = ()  # in the order of preference


def read_hardware(root: Path) -> Hardware:
    """Read DMI and device tree below `root`; what cannot be read is empty."""
    dmi, tree = root / DMI, root / DEVICE_TREE
    boards = tuple(
        Serial(_read(dmi / vendor), _read(dmi / serial))
        for vendor, serial in (
            ("sys_vendor", "product_serial"),
            ("board_vendor", "board_serial"),
            ("chassis_vendor", "chassis_serial"),
        )
    )
    soc = Serial(_read(tree / "compatible").partition(",")[0], _read(tree / "serial-number"))
    return Hardware(_read(dmi / "product_uuid"), (*boards, soc))


def _read(path: Path) -> str:
    """Return the first text of a file: the device tree ends each with NUL."""
    try:
        content = read_bounded(path, MAX_SIZE)
    except OSError:
        return ""
    return content.partition(b"\0")[0].decode("ascii", "replace").strip()
