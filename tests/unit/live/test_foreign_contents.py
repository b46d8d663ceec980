"""What belongs to somebody else is never written to: neither a signature nor a byte of it."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from flotta.live.state.block_device import open_device
from flotta.live.state.errors import NoState
from flotta.live.state.finding import Wanted, mount_any_state
from flotta.live.state.gpt import PRIMARY, last_sector, plan_writes, read_table
from flotta.live.state.medium import TYPE
from unit.live.media import (
    BACKUP,
    BLOCK,
    GIBIBYTE,
    ISO,
    MEBIBYTE,
    SECTOR,
    STICK,
    blocks,
    changed,
    get,
    make_disk,
    make_ext4,
    make_stick,
    put,
    release,
    run,
)

SIZE = STICK - GIBIBYTE - MEBIBYTE  # of the place on a stick; disks are as large here
Put = Callable[[Path, int, int], None]  # file, offset and size of the part


def at(*pieces: tuple[int, bytes]) -> Put:
    def put_all(path: Path, offset: int, size: int) -> None:
        for where, content in pieces:
            put(path, offset + (where if where >= 0 else size + where), content)

    return put_all


def swap(path: Path, offset: int, size: int) -> None:
    header = struct.pack("<III", 1, size // 4096 - 1, 0) + bytes(range(16))
    put(path, offset + 1024, header)
    put(path, offset + 4096 - 10, b"SWAPSPACE2")


def lvm(path: Path, offset: int, _: int) -> None:
    body = struct.pack("<I8s", 32, b"LVM2 001") + b"a" * 32
    label = struct.pack("<8sQ", b"LABELONE", 1)
    checksum = _lvm_checksum((body + bytes(512))[: 512 - 20])
    put(path, offset + SECTOR, label + struct.pack("<I", checksum) + body)


def _lvm_checksum(content: bytes) -> int:
    return zlib.crc32(content, 0xF597A6CF ^ 0xFFFFFFFF) ^ 0xFFFFFFFF


def raid_1_2(path: Path, offset: int, _: int) -> None:
    put(path, offset + 4096, _raid(8))


def raid_1_0(path: Path, offset: int, size: int) -> None:
    sector = (size // SECTOR - 16) & ~7
    put(path, offset + sector * SECTOR, _raid(sector))


def _raid(sector: int) -> bytes:
    head = struct.pack("<IIII16s32s", 0xA92B4EFC, 1, 0, 0, bytes(range(16)), b"host:0")
    return head.ljust(144, b"\0") + struct.pack("<Q", sector) + bytes(100)


def ext4(path: Path, offset: int, size: int) -> None:
    make_ext4(path, offset, size // 2)


def partitions(kind: str) -> Put:
    def put_table(path: Path, offset: int, size: int) -> None:
        inner = make_disk(path.parent, size, f"{kind}.inner")
        script = path.parent / "script"
        script.write_text(f"label: {kind}\nstart=2048, size=4096\n")
        run("sh", "-c", f"sfdisk --quiet {inner} < {script}")
        for where, content in blocks(inner).items():
            put(path, offset + where, content)
        inner.unlink()

    return put_table


def fat(path: Path, offset: int, _: int) -> None:
    sector = bytearray(b"\xeb\x58\x90MSDOS5.0" + bytes(501))
    struct.pack_into("<HBHBHHBHHHII", sector, 11, 512, 8, 32, 2, 0, 0, 0xF8, 0, 63, 255, 0, 614400)
    struct.pack_into("<I", sector, 36, 600)
    struct.pack_into("<I", sector, 44, 2)
    sector[82:90] = b"FAT32   "
    sector[510:512] = b"\x55\xaa"
    put(path, offset, bytes(sector))


def ntfs(path: Path, offset: int, size: int) -> None:
    sector = bytearray(b"\xeb\x52\x90NTFS    " + bytes(501))
    struct.pack_into("<HB", sector, 11, 512, 8)
    sector[21] = 0xF8
    struct.pack_into("<QQQ", sector, 40, size // SECTOR - 1, 4, 5)
    sector[64], sector[68] = 0xF6, 1
    sector[510:512] = b"\x55\xaa"
    put(path, offset, bytes(sector))
    put(path, offset + 4 * 4096, b"FILE")


def iso(path: Path, offset: int, _: int) -> None:
    put(path, offset + 16 * 2048, ISO[16 * 2048 : 18 * 2048])


KINDS: dict[str, Put] = {
    "ext4": ext4,
    "swap": swap,
    "lvm": lvm,
    "luks1": at((0, b"LUKS\xba\xbe\x00\x01" + b"aes".ljust(200, b"\0"))),
    "raid 1.0": raid_1_0,
    "raid 1.2": raid_1_2,
    "fat": fat,
    "ntfs": ntfs,
    "iso": iso,
    "gpt": partitions("gpt"),
    "mbr": partitions("dos"),
    "xfs": at((0, b"XFSB" + struct.pack(">IQ", 4096, 65536) + bytes(84) + b"\xb4\xa5\x02\x00")),
    "squashfs": at((0, b"hsqs" + bytes(24) + struct.pack("<HH", 4, 0))),
    "btrfs": at((65536 + 64, b"_BHRfS_M")),
    "f2fs": at((1024, struct.pack("<IHH", 0xF2F52010, 1, 15))),
    "zfs": at(*((128 * 1024 + n * 1024, struct.pack("<Q", 0x00BAB10C)) for n in range(128))),
    "bcache": at((4096 + 24, bytes.fromhex("c68573f64e1a45ca8265f57f48ba6d81"))),
    "udf": at((32768, b"\0BEA01\1"), (34816, b"\0NSR03\1"), (36864, b"\0TEA01\1")),
    "bitlocker": at((0, b"\xeb\x58\x90-FVE-FS-")),
    "reiserfs": at((65536 + 52, b"ReIsEr2Fs")),
    "hfsplus": at((1024, b"H+\0\4")),
    "garbage at the beginning": at((0, random.Random(1).randbytes(MEBIBYTE))),
    "garbage somewhere in the first MiB": at((MEBIBYTE - 5, b"x")),
    "garbage at the end": at((-3, b"x")),
}
# Behind an ISO is what was there before: only what blkid recognises is left alone. These have too
# few bytes of a real one for that, or none of anything.
UNRECOGNISED = {name for name in KINDS if name.startswith("garbage")} | {
    *("xfs", "btrfs", "f2fs", "udf", "reiserfs"),
    *("squashfs", "bitlocker", "hfsplus", "bcache"),
}


def boot(folder: Path, medium: Path, disk: str = "") -> str:
    """Return the reason why there is no state."""
    with pytest.raises(NoState) as refused:
        mount_any_state(Wanted(medium, disk, folder, folder / "state"))
    return refused.value.reason


@pytest.mark.parametrize("kind", sorted(KINDS.keys() - UNRECOGNISED))
def test_what_blkid_knows_behind_the_iso_is_left_alone(folder: Path, kind: str) -> None:
    stick = make_stick(folder)
    KINDS[kind](stick, GIBIBYTE, SIZE)
    before = blocks(stick)
    assert boot(folder, stick) == "StatePlaceTaken"
    assert not changed(before, blocks(stick))


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_disk_that_is_not_empty_is_left_alone(folder: Path, kind: str) -> None:
    disk = make_disk(folder, SIZE)
    KINDS[kind](disk, 0, SIZE)
    before = blocks(disk)
    assert boot(folder, make_stick(folder), "/disk.img") == "StateDiskTaken"
    assert not changed(before, blocks(disk))


@pytest.mark.parametrize(
    "seed", [*range(5), *(pytest.param(n, marks=pytest.mark.deep) for n in range(5, 200))]
)
def test_no_byte_outside_is_ever_written_whatever_is_on_the_stick(folder: Path, seed: int) -> None:
    """Of a stick with random damage only our place and the table may change."""
    dice = random.Random(seed)
    stick = make_stick(folder, size=dice.choice([STICK, STICK + 777 * SECTOR]))
    size = stick.stat().st_size
    for _ in range(dice.randrange(5)):
        where = dice.choice([0, SECTOR, 1024, 32768, GIBIBYTE, size - BACKUP, size - SECTOR])
        put(stick, where + dice.randrange(4096), dice.randbytes(dice.choice([1, 8, 512])))
    with stick.open("r+b") as file:
        file.truncate(size)
    if dice.random() < 0.5:
        KINDS[dice.choice(sorted(KINDS))](stick, GIBIBYTE + dice.choice([0, 0, MEBIBYTE]), SIZE)
    before = blocks(stick)
    try:
        mount_any_state(Wanted(stick, "", folder, folder / "state"))
    except NoState:
        assert not changed(before, blocks(stick))
        return
    release(folder)
    table = {*range(0, 64 * SECTOR, BLOCK), *range((size - BACKUP) // BLOCK * BLOCK, size, BLOCK)}
    outside = {at for at in changed(before, blocks(stick)) if not GIBIBYTE <= at < GIBIBYTE + SIZE}
    assert outside <= table
    with stick.open("rb") as file:
        assert file.read(SECTOR) == before.get(0, bytes(BLOCK))[:SECTOR]


def photos(stick: Path, start: int, *more: str) -> bytes:
    """Let somebody make a partition of 100 MiB with a file system; returns its bytes."""
    lines = [*more, f"start={start}MiB, size=100MiB, name=photos"]
    script = stick.parent / "script"
    script.write_text("\n".join(lines) + "\n")
    run("sfdisk", "--quiet", "--relocate", "gpt-bak-std", str(stick))
    run("sh", "-c", f"sfdisk --quiet --append --no-reread --no-tell-kernel {stick} < {script}")
    make_ext4(stick, start * MEBIBYTE, 100 * MEBIBYTE, "photos")
    return get(stick, start * MEBIBYTE, 100 * MEBIBYTE)


def named(stick: Path) -> dict[str, tuple[int, int]]:
    """Return the partitions behind the ISO by their names: first and last sector."""
    with open_device(stick) as device:
        tables = [read_table(device, at) for at in (PRIMARY, last_sector(device))]
    first, second = (table.partitions if table else () for table in tables)
    assert first == second
    return {one.name: (one.first, one.last) for one in first if one.first * SECTOR > len(ISO)}


@pytest.mark.parametrize("start", [600, 950, 1100])
def test_a_partition_that_only_the_backup_names_is_left_alone(folder: Path, start: int) -> None:
    """Another ISO was written over the stick, and with it over the table."""
    stick = make_stick(folder)
    content = photos(stick, start)
    if start != 600:
        assert boot(folder, stick) == "StatePlaceTaken"
    put(stick, 0, ISO)
    before = blocks(stick)
    if start == 600:  # before the place for the state
        mount_any_state(Wanted(stick, "", folder, folder / "state"))
        release(folder)
        assert set(named(stick)) == {"photos", "flotta-state"}
    else:
        assert boot(folder, stick) == "StatePlaceTaken"
        assert not changed(before, blocks(stick))
    assert get(stick, start * MEBIBYTE, 100 * MEBIBYTE) == content


def test_a_partition_beside_the_state_outlives_another_iso(folder: Path) -> None:
    stick = make_stick(folder, 2 * GIBIBYTE)
    ours = f"start=1GiB, size=300MiB, name=flotta-state, type={TYPE}"
    content = photos(stick, 1500, ours)
    before = named(stick)
    assert set(before) == {"photos", "flotta-state"}
    for _ in range(2):
        put(stick, 0, ISO)
        mount_any_state(Wanted(stick, "", folder, folder / "state"))
        release(folder)
        assert named(stick) == before
    assert get(stick, 1500 * MEBIBYTE, 100 * MEBIBYTE) == content
    assert "No errors detected" in run("sfdisk", "--verify", str(stick))


def test_a_partition_to_the_last_sector_leaves_no_room_for_the_table(folder: Path) -> None:
    """Tables of others are shorter than those of an ISO."""
    stick = make_disk(folder, 2 * GIBIBYTE, "stick.img")
    script = folder / "script"
    script.write_text("label: gpt\nstart=1500MiB, name=photos\n")
    run("sh", "-c", f"sfdisk --quiet --no-reread --no-tell-kernel {stick} < {script}")
    put(stick, 0, ISO)
    before = blocks(stick)
    assert boot(folder, stick) == "StatePlaceTaken"
    assert not changed(before, blocks(stick))


def test_the_partitions_of_a_larger_iso_before_are_not_kept(folder: Path) -> None:
    stick = make_stick(folder)
    with open_device(stick) as device:
        table = read_table(device, PRIMARY)
        assert table is not None
        entry = replace(table.partitions[1], first=1_000_000, last=1_000_999)
        for write in plan_writes(table.move_end(last_sector(device)).add(entry)):
            device.write(write.offset, write.content)
    put(stick, 0, ISO)
    mount_any_state(Wanted(stick, "", folder, folder / "state"))
    release(folder)
    assert set(named(stick)) == {"flotta-state"}


STATE_DISKS = {  # what came over a former state disk, whose superblock is still there
    "mbr": lambda path, offset, size: keep_but(path, offset, SECTOR, size),
    "gpt at the end": lambda path, offset, size: keep_end(path, size, partitions("gpt"), offset),
    "raid 1.2": raid_1_2,
    "raid 1.0": raid_1_0,
    "lvm": lvm,
}


def keep_but(path: Path, offset: int, length: int, size: int) -> None:
    """Put a partition table, of which only the first bytes are written."""
    before = get(path, offset, MEBIBYTE)
    partitions("dos")(path, offset, size)
    put(path, offset + length, before[length:])


def keep_end(path: Path, size: int, put_all: Put, offset: int) -> None:
    """Put something, of which only the end stays."""
    before = get(path, offset, MEBIBYTE)
    put_all(path, offset, size)
    put(path, offset, before)


@pytest.mark.parametrize("kind", sorted(STATE_DISKS))
def test_a_disk_with_our_label_and_anything_else_is_left_alone(folder: Path, kind: str) -> None:
    disk = make_disk(folder, SIZE)
    mount_any_state(Wanted(make_stick(folder), "/disk.img", folder, folder / "state"))
    release(folder)
    STATE_DISKS[kind](disk, 0, SIZE)
    before = blocks(disk)
    assert boot(folder, make_stick(folder), "/disk.img") == "StateDiskTaken"
    assert not changed(before, blocks(disk))


@pytest.mark.parametrize("kind", ["raid 1.2", "raid 1.0", "lvm", "mbr"])
def test_a_partition_with_our_label_and_anything_else_is_left_alone(
    folder: Path, kind: str
) -> None:
    stick = make_stick(folder)
    mount_any_state(Wanted(stick, "", folder, folder / "state"))
    release(folder)
    STATE_DISKS[kind](stick, GIBIBYTE, SIZE)
    before = blocks(stick)
    assert boot(folder, stick) == "StateDamaged"
    assert not changed(before, blocks(stick))
