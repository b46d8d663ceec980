"""The disk that the settings name holds the state if it is ours or empty, and only then."""

from __future__ import annotations

import os
import random
import re
from pathlib import Path

import pytest

from flotta.live.boot_report import StateReport
from flotta.live.state import disk as disks
from flotta.live.state import finding
from flotta.live.state.area import MARK, Area
from flotta.live.state.disk import find_disk
from flotta.live.state.errors import NoState
from flotta.live.state.finding import Wanted, mount_any_state
from flotta.protocol.reasons import live
from unit.live.media import (
    BLOCK,
    MEBIBYTE,
    attach,
    blocks,
    make_disk,
    make_ext4,
    make_stick,
    put,
    release,
    run,
)

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disks, "APPEARS", 0.0)
    monkeypatch.setattr(disks, "RETRY", 0.0)


def boot(folder: Path, name: str = "/disk.img", medium: str = "stick.img") -> StateReport:
    return mount_any_state(Wanted(folder / medium, name, folder, folder / "state"))


def why(folder: Path, name: str = "/disk.img", medium: str = "stick.img") -> str:
    with pytest.raises(NoState) as refused:
        boot(folder, name, medium)
    return refused.value.reason


def keep(folder: Path, text: str) -> None:
    (folder / "state/kept").write_text(text)
    release(folder)


def test_an_empty_disk_becomes_the_state_as_a_whole_and_is_found_again(folder: Path) -> None:
    disk, stick = make_disk(folder), make_stick(folder)
    before = blocks(stick)
    assert boot(folder) == StateReport("Disk", str(disk))
    keep(folder, "first")
    assert "FLOTTA_STATE" in run("blkid", "--probe", str(disk))
    assert boot(folder) == StateReport("Disk", str(disk))
    assert (folder / "state/kept").read_text() == "first"
    assert blocks(stick) == before  # nothing is made there besides


def test_erased_flash_is_empty(folder: Path) -> None:
    disk = make_disk(folder)
    put(disk, 0, b"\xff" * MEBIBYTE)
    assert boot(folder).kind == "Disk"


@pytest.mark.parametrize(
    ("owner", "step"),
    [(Area, "make_file_system"), (Area, "unmark"), (finding, "mount_state"), (finding, "attach")],
)
def test_the_power_may_go_before_any_step(
    folder: Path, monkeypatch: pytest.MonkeyPatch, owner: object, step: str
) -> None:
    class PowerCutError(BaseException):
        pass

    def cut(*_: object) -> None:
        raise PowerCutError

    make_disk(folder)
    with monkeypatch.context() as patched:
        patched.setattr(owner, step, cut)
        with pytest.raises(PowerCutError):
            boot(folder)
    release(folder)
    boot(folder)
    keep(folder, "made")


def test_what_somebody_put_on_a_disk_that_was_half_made_is_left_alone(folder: Path) -> None:
    disk = make_disk(folder)
    put(disk, 299 * MEBIBYTE, b"flotta.edge: a file system for the state is being made here\n")
    make_ext4(disk, 0, 100 * MEBIBYTE)
    before = blocks(disk)
    assert why(folder) == "StateDiskTaken"
    assert blocks(disk) == before


def test_a_damaged_state_on_a_disk_is_never_made_again(folder: Path) -> None:
    disk = make_disk(folder)
    boot(folder)
    keep(folder, "precious")
    put(disk, 1024, bytes(1024))
    before = blocks(disk)
    assert why(folder) == "StateDiskTaken"
    assert blocks(disk) == before


def documented(name: str) -> list[str]:
    """Return the shell commands of a remedy."""
    row = next(row for row in live.STATE if row.code == name)
    return [command for command in re.findall(r"`([^`]+)`", row.remedy) if "/dev/sdX" in command]


@pytest.mark.parametrize("size", [300 * MEBIBYTE, 2048 * MEBIBYTE + 700 * 1024])
def test_a_disk_that_was_erased_as_documented_is_used(folder: Path, size: int) -> None:
    disk = make_disk(folder, size)
    make_ext4(disk, 0, size)
    assert why(folder) == "StateDiskTaken"
    (command,) = documented("StateDiskTaken")
    assert command in (ROOT / "docs/reference/images.md").read_text()
    run("sh", "-c", command.replace("/dev/sdX", str(disk)))
    assert boot(folder).kind == "Disk"
    keep(folder, "new")
    boot(folder)
    assert (folder / "state/kept").read_text() == "new"


@pytest.mark.parametrize("at", [MEBIBYTE - 1, 299 * MEBIBYTE, 300 * MEBIBYTE + 1024])
def test_a_disk_with_a_byte_at_either_end_is_left_alone(folder: Path, at: int) -> None:
    disk = make_disk(folder, 300 * MEBIBYTE + 700 * 1024)
    put(disk, at, b"x")
    with pytest.raises(NoState, match=f"something is at {0 if at < MEBIBYTE else 299} MiB"):
        boot(folder)
    assert list(blocks(disk)) == [at // BLOCK * BLOCK]


def test_a_mark_does_not_make_a_disk_ours_that_somebody_has_written_to(folder: Path) -> None:
    """Encryption without a header has no signature."""
    disk = make_disk(folder)
    put(disk, 299 * MEBIBYTE, MARK)
    put(disk, 0, random.Random(1).randbytes(MEBIBYTE))
    before = blocks(disk)
    assert why(folder) == "StateDiskTaken"
    assert blocks(disk) == before


def test_a_disk_that_is_not_there_is_named(folder: Path) -> None:
    make_stick(folder)
    with pytest.raises(NoState, match="no disk /dev/disk/by-id/ata-none, which holds the state"):
        boot(folder, "/dev/disk/by-id/ata-none")
    assert why(folder, "/none.img") == "StateDiskMissing"
    assert why(folder, "serial=none") == "StateDiskMissing"


def test_the_boot_medium_a_small_disk_and_one_in_use_are_left_alone(folder: Path) -> None:
    make_stick(folder)
    assert why(folder, "/stick.img") == "StateDiskUnsuitable"
    make_disk(folder, 200 * MEBIBYTE, "small.img")
    assert why(folder, "/small.img") == "StateTooSmall"
    node = attach(make_disk(folder), "--read-only")
    (folder / "locked").symlink_to(node)
    assert why(folder, "/locked") == "StateReadOnly"
    other = attach(make_disk(folder, name="b.img"))
    (folder / "used").symlink_to(other)
    holder = os.open(other, os.O_RDONLY | os.O_EXCL)
    try:
        assert why(folder, "/used") == "StateDiskUnsuitable"
    finally:
        os.close(holder)


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """Give a machine with two virtio disks, NVMe, SATA and a loop device."""
    values = {
        "vda/serial": "state-disk",
        "vdb/serial": "other disk",
        "nvme0n1/device/serial": "S4EWNX0R123456      ",
        "nvme0n1/wwid": "eui.0025385b21404b3f",
        "sda/device/vpd_pg80": "\0\x80\0\x14      WD-WCC4N0123456",
        "sda/device/wwid": "naa.50014ee20a0b0c0d",
        "sdb/device/vpd_pg80": "\0\x80\0\x05" + "12345",
        "sdb/device/model": "Ultra",
        "sdc/device/wwid": "t10.ATA     QEMU HARDDISK          QM00005     ",
        "mmcblk0/device/serial": "0x1234abcd",
        "mmcblk0/device/name": "SD32G",
        "nvme0c0n1/device/serial": "S4EWNX0R123456      ",
        "nvme0c0n1/wwid": "eui.0025385b21404b3f",
        "nvme0c0n1/hidden": "1",
        "loop0/serial": "state-disk",
    }
    for path, text in values.items():
        file = tmp_path / "sys/block" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + "\n", encoding="latin-1")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "disk"),
    [
        ("serial=state-disk", "vda"),
        ("serial=other disk", "vdb"),
        ("serial=other_disk", "vdb"),
        ("/dev/disk/by-id/virtio-state-disk", "vda"),
        ("/dev/disk/by-id/nvme-Samsung_SSD_970_EVO_S4EWNX0R123456", "nvme0n1"),
        ("/dev/disk/by-id/ata-WDC_WD10EZEX-08WN4A0_WD-WCC4N0123456", "sda"),
        ("/dev/disk/by-id/wwn-0x50014ee20a0b0c0d", "sda"),
        ("/dev/disk/by-id/nvme-Samsung_SSD_970_EVO_S4EWNX0R123456_1", "nvme0n1"),
        ("/dev/disk/by-id/nvme-eui.0025385b21404b3f", "nvme0n1"),
        ("/dev/disk/by-id/scsi-350014ee20a0b0c0d", "sda"),
        ("/dev/disk/by-id/usb-SanDisk_Ultra_12345-0:0", "sdb"),
        ("/dev/disk/by-id/scsi-1ATA_QEMU_HARDDISK_QM00005", "sdc"),
        ("/dev/disk/by-id/mmc-SD32G_0x1234abcd", "mmcblk0"),
        ("serial=S4EWNX0R123456", "nvme0n1"),
    ],
)
def test_a_disk_is_found_by_the_names_that_udev_gives_it(
    machine: Path, name: str, disk: str
) -> None:
    assert find_disk(name, machine) == machine / "dev" / disk


@pytest.mark.parametrize(
    "name",
    [
        *("serial=state", "serial=", "/dev/disk/by-id/", "/dev/disk/by-id/usb-x-0:0", "/dev/none"),
        "",
        # Of other disks, whose serial numbers only end as that of one that is there.
        "/dev/disk/by-id/ata-Samsung_SSD_860_S3Z9-12345",
        "/dev/disk/by-id/ata-Samsung_SSD_860_S3Z9_12345",
        "/dev/disk/by-id/ata-WDC_WD10EZEX-08WN4A0_WD-WCC4N0123456-part1",
        "/dev/disk/by-id/nvme-Samsung_SSD_970_EVO_S4EWNX0R123456_2",
    ],
)
def test_a_part_of_a_name_is_no_name(machine: Path, name: str) -> None:
    with pytest.raises(NoState):
        find_disk(name, machine)


def test_a_name_of_two_disks_is_refused(machine: Path) -> None:
    (machine / "sys/block/vdb/serial").write_text("state-disk\n")
    with pytest.raises(NoState, match="is the name of several disks") as refused:
        find_disk("serial=state-disk", machine)
    assert refused.value.reason == "StateDiskUnsuitable"
