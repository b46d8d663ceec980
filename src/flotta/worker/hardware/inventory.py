"""The whole inventory. What cannot change while the machine runs is read once."""

from __future__ import annotations

import functools
import os
from pathlib import Path

import msgspec

from flotta.protocol.hardware import HardwareInfo
from flotta.worker.hardware.machine import read_boot, read_cpu, read_memory, read_system_vendor
from flotta.worker.hardware.network import read_interfaces
from flotta.worker.hardware.storage import read_disks, read_host_devices, read_mounts


class Inventory:
    """Hardware of the device whose /proc, /sys and /dev are below `root`."""

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root

    def read(self) -> HardwareInfo:
        """Return everything that is known now."""
        root = self._root
        return msgspec.structs.replace(
            self._fixed,
            hostname=os.uname().nodename,
            disks=read_disks(root),
            interfaces=read_interfaces(root),
            host_devices=read_host_devices(root),
            mounts=read_mounts(root),
        )

    @functools.cached_property
    def _fixed(self) -> HardwareInfo:
        root = self._root
        return HardwareInfo(
            boot=read_boot(root),
            cpu=read_cpu(root),
            gpus=[],
            memory=read_memory(root),
            system_vendor=read_system_vendor(root),
        )
