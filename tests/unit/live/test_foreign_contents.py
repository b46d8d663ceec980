"""What belongs to somebody else is never written to: neither a signature nor a byte of it."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from flotta.live.state.errors import NoState
from flotta.live.state.finding import Wanted, mount_any_state
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
