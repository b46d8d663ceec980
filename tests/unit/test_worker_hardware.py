"""The inventory, on this machine and on one made of files."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path
from typing import Any

import pytest

from flotta.protocol.models import (
    DeviceConfiguration,
    DeviceConfigurationMessage,
    HardwareProfileConfiguration,
    Heartbeat,
    HeartbeatConfiguration,
)
from flotta.worker.hardware import Inventory
from flotta.worker.hardware.feature import HardwareFeature
from flotta.worker.hardware.network import read_addresses
from flotta.worker.hardware.storage import read_disks, read_host_devices, read_mounts


def put(root: Path, path: str, text: str) -> None:
    target = root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)


def test_this_machine_is_described() -> None:
    hardware = Inventory().read()

    assert hardware.hostname == socket.gethostname()
    assert hardware.cpu is not None
    assert (hardware.cpu.architecture, hardware.cpu.count) == (os.uname().machine, os.cpu_count())
    assert hardware.memory is not None
    assert (hardware.memory.usable_bytes or 0) > 2**26
    assert any(m and m.directory == "/" for m in hardware.mounts or [])
    assert any(
        d and d.path == "/dev/null" and (d.major, d.minor) == (1, 3)
        for d in hardware.host_devices or []
    )


@pytest.mark.skipif(os.getuid() != 0, reason="only root makes device nodes")
def test_serial_ports_are_listed_and_consoles_loop_and_ram_disks_are_not(tmp_path: Path) -> None:
    listed = ["gpiochip0", "i2c-1", "mmcblk0", "spidev0.0", "ttyACM0", "ttyS0", "ttyUSB0", "video0"]
    left_out = ["loop-control", "loop0", "ram15", "tty", "tty63", "vcs", "vcs1", "vcsa1", "vcsu12"]
    (tmp_path / "dev").mkdir()
    for name in listed + left_out:
        os.mknod(tmp_path / "dev" / name, stat.S_IFCHR, os.makedev(1, 3))
    assert sorted(d.path or "" for d in read_host_devices(tmp_path) if d) == [
        f"/dev/{name}" for name in listed
    ]


def test_the_kernel_tells_addresses_with_their_prefix() -> None:
    loopback = read_addresses()[socket.if_nametoindex("lo")]

    assert "127.0.0.1/8" in [str(address) for address in loopback]


def test_a_board_without_dmi_is_described_by_its_device_tree(tmp_path: Path) -> None:
    put(
        tmp_path,
        "proc/cpuinfo",
        "processor\t: 0\nFeatures\t: fp asimd\nModel\t\t: Raspberry Pi Zero 2 W Rev 1.0\n",
    )
    put(tmp_path, "proc/meminfo", "MemTotal:  437188 kB\n")
    put(tmp_path, "proc/device-tree/model", "Raspberry Pi Zero 2 W Rev 1.0\0")
    put(tmp_path, "proc/device-tree/compatible", "raspberrypi,model-zero-2-w\0brcm,bcm2837\0")
    put(tmp_path, "sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq", "1000000\n")

    hardware = Inventory(tmp_path).read()

    assert hardware.cpu is not None
    assert hardware.cpu.model_name == "Raspberry Pi Zero 2 W Rev 1.0"
    assert (hardware.cpu.frequency, hardware.cpu.flags) == (1000.0, ["fp", "asimd"])
    assert hardware.memory is not None
    assert hardware.memory.physical_bytes == hardware.memory.usable_bytes == 437188 * 1024
    assert hardware.system_vendor is not None
    assert hardware.system_vendor.manufacturer == "raspberrypi"
    assert hardware.system_vendor.virtual is False


def test_disks_have_sizes_in_bytes_and_loops_are_none(tmp_path: Path) -> None:
    put(tmp_path, "sys/block/sda/size", "2048\n")
    put(tmp_path, "sys/block/sda/queue/rotational", "1\n")
    put(tmp_path, "sys/block/sda/device/model", "EdgeDisk  \n")
    put(tmp_path, "sys/block/loop0/size", "8\n")

    [disk] = read_disks(tmp_path)

    assert disk is not None
    assert (disk.name, disk.size_bytes, disk.drive_type, disk.model) == (
        "sda",
        2**20,
        "HDD",
        "EdgeDisk",
    )


def test_mounts_keep_spaces_and_leave_out_what_containers_made(tmp_path: Path) -> None:
    lines = [
        r"36 35 8:1 / /run/media/USB\040stick rw - vfat /dev/sdb1 rw",
        r"37 35 8:1 / /data/My\040Disk rw,relatime shared:1 - ext4 /dev/sda1 rw",
        "38 35 0:5 / /proc rw - proc proc rw",
        "39 35 0:9 / /var/lib/containers/storage/overlay/x/merged rw - overlay overlay rw",
        "40 35 0:10 / /mnt/share ro - nfs4 server:/share rw",
    ]
    put(tmp_path, "proc/self/mountinfo", "\n".join(lines))

    found = [(m.device, m.directory, m.type, m.options) for m in read_mounts(tmp_path) if m]

    assert found == [
        ("/dev/sda1", "/data/My Disk", "ext4", "(rw,relatime)"),
        ("server:/share", "/mnt/share", "nfs4", "(ro)"),
    ]


async def test_with_scope_delta_the_inventory_is_sent_until_it_is_accepted_and_after_a_change(
    tmp_path: Path,
) -> None:
    put(tmp_path, "sys/class/net/eth0/address", "02:00:00:00:00:01")
    feature = HardwareFeature(Inventory(tmp_path))
    feature.configure(profile(include=True, scope="delta"))

    async def report(*, accepted: bool) -> bool:
        heartbeat = Heartbeat()
        await feature.report(heartbeat)
        if accepted:
            feature.acknowledge(heartbeat)
        return heartbeat.hardware is not None

    assert await report(accepted=False)
    assert await report(accepted=True)
    assert not await report(accepted=True)
    put(tmp_path, "sys/class/net/eth0/address", "02:00:00:00:00:02")
    assert await report(accepted=True)
    assert not await report(accepted=True)
    feature.configure(profile(include=True, scope="full"))
    assert await report(accepted=True)
    feature.configure(profile(include=False))
    assert not await report(accepted=True)


def profile(**fields: Any) -> DeviceConfigurationMessage:
    heartbeat = HeartbeatConfiguration(hardware_profile=HardwareProfileConfiguration(**fields))
    return DeviceConfigurationMessage(configuration=DeviceConfiguration(heartbeat=heartbeat))
