"""The whole inventory. What cannot change while the machine runs is read once."""

from __future__ import annotations

import functools
import os
from pathlib import Path

import msgspec

from flotta.protocol.hardware import HardwareInfo

from .machine import boot, cpu, memory, system_vendor
from .network import interfaces
from .storage import disks, host_devices, mounts


class Inventory:
    """Hardware of the device whose /proc, /sys and /dev are below ``root``."""

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root

    def read(self) -> HardwareInfo:
        """Return everything that is known now."""
        root = self._root
        return msgspec.structs.replace(
            self._fixed,
            hostname=os.uname().nodename,
            disks=disks(root),
            interfaces=interfaces(root),
            host_devices=host_devices(root),
            mounts=mounts(root),
        )

    @functools.cached_property
    def _fixed(self) -> HardwareInfo:
        root = self._root
        return HardwareInfo(
            boot=boot(root),
            cpu=cpu(root),
            gpus=[],
            memory=memory(root),
            system_vendor=system_vendor(root),
        )
