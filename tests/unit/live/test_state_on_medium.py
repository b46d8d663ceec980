"""The state on the boot medium: a partition of ours behind the ISO, and nothing else is touched."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from flotta.live.boot_report import StateReport
from flotta.live.state import finding
from flotta.live.state.area import LABEL, Area
from flotta.live.state.block_device import BlockDevice, open_device
from flotta.live.state.errors import NoState
from flotta.live.state.finding import Wanted, mount_any_state
from flotta.live.state.gpt import HEADER_SIZE, PRIMARY, Entry, last_sector, plan_writes, read_table
from flotta.live.state.medium import NAME, TYPE, find_place
from flotta.protocol.reasons import live
from unit.live.media import (
    BACKUP,
    BLOCK,
    GIBIBYTE,
    ISO,
    MEBIBYTE,
    SECTOR,
    STICK,
    attach,
    blocks,
    changed,
    detach,
    get,
    make_ext4,
    make_stick,
    put,
    release,
    run,
)

PLACE = GIBIBYTE  # where the partition begins
END = STICK - MEBIBYTE  # where it ends


class PowerCutError(BaseException):
    """Nothing after it happens."""


def boot(folder: Path, stick: Path) -> StateReport:
    wanted = Wanted(stick, "", folder, folder / "state")
    return mount_any_state(wanted)


def why(folder: Path, stick: Path) -> str:
    """Return the reason of a boot without state, which must leave every byte alone."""
    before = blocks(stick)
    with pytest.raises(NoState) as refused:
        boot(folder, stick)
    assert not changed(before, blocks(stick))
    assert str(refused.value).endswith(".")
    return refused.value.reason


def keep(folder: Path, text: str) -> None:
    (folder / "state/kept").write_text(text)
    release(folder)


def kept(folder: Path) -> str:
    return (folder / "state/kept").read_text()


def test_the_first_boot_makes_a_partition_behind_the_iso(folder: Path) -> None:
    stick = make_stick(folder)
    before = blocks(stick)

    assert boot(folder, stick) == StateReport("Partition", str(stick))

    assert (folder / "state").stat().st_mode & 0o777 == 0o700
    keep(folder, "first")
    with open_device(stick) as device:
        table = read_table(device, PRIMARY)
        backup = read_table(device, last_sector(device))
    assert table is not None
    assert backup is not None
    assert table.partitions == backup.partitions
    mine = table.partitions[-1]
    assert (mine.kind, mine.name) == (TYPE, NAME)
    assert (mine.first * SECTOR, (mine.last + 1) * SECTOR) == (PLACE, END)
    assert "No errors detected" in run("sfdisk", "--verify", str(stick))
    outside = {at for at in changed(before, blocks(stick)) if not PLACE <= at < END}
    assert max(at for at in outside if at < PLACE) < 64 * SECTOR
    assert min(at for at in outside if at >= END) >= (STICK - BACKUP) // BLOCK * BLOCK
    # What boots is as it was, with the mark of the bootable partition.
    assert get(stick, 0, SECTOR) == ISO[:SECTOR]
    assert get(stick, 64 * SECTOR, len(ISO) - 64 * SECTOR) == ISO[64 * SECTOR :]


def test_contents_of_files_reach_the_disk_with_their_names(folder: Path) -> None:
    """What podman writes is not synced: delayed, it would be empty after a power cut."""
    boot(folder, make_stick(folder))
    (line,) = (
        line
        for line in Path("/proc/self/mounts").read_text().splitlines()
        if line.split()[1] == str(folder / "state")
    )
    assert "nodelalloc" in line.split()[3].split(",")


def test_the_next_boot_finds_it_and_changes_no_table(folder: Path) -> None:
    stick = make_stick(folder)
    boot(folder, stick)
    keep(folder, "first")
    before = blocks(stick)
    boot(folder, stick)
    assert kept(folder) == "first"
    release(folder)
    assert all(PLACE <= at < END for at in changed(before, blocks(stick)))


def test_another_iso_that_is_written_over_the_stick_finds_the_state_again(folder: Path) -> None:
    stick = make_stick(folder)
    boot(folder, stick)
    keep(folder, "first")
    put(stick, 0, ISO)
    boot(folder, stick)
    assert kept(folder) == "first"
    release(folder)
    assert "No errors detected" in run("sfdisk", "--verify", str(stick))


def test_the_state_is_found_by_its_label_when_both_tables_are_gone(folder: Path) -> None:
    stick = make_stick(folder)
    boot(folder, stick)
    keep(folder, "first")
    put(stick, 0, ISO)
    put(stick, STICK - BACKUP, bytes(BACKUP))
    boot(folder, stick)
    assert kept(folder) == "first"


def test_a_larger_iso_moves_a_new_state_and_finds_that_of_others(folder: Path) -> None:
    stick = make_stick(folder, size=3 * GIBIBYTE)
    grow_iso(stick, GIBIBYTE + MEBIBYTE)
    boot(folder, stick)
    keep(folder, "second GiB")
    with open_device(stick) as device:
        assert find_place(device).area.offset == 2 * GIBIBYTE
    put(stick, 0, ISO)  # a smaller one again
    boot(folder, stick)
    assert kept(folder) == "second GiB"


def grow_iso(stick: Path, size: int) -> None:
    put(stick, 16 * 2048 + 80, (size // 2048).to_bytes(4, "little"))


@pytest.mark.parametrize("torn", [pytest.param(False, marks=pytest.mark.deep), True])
def test_the_power_may_go_between_any_two_writes_of_the_table(folder: Path, *, torn: bool) -> None:
    with open_device(make_stick(folder)) as device:
        place = find_place(device)
        assert place.table is not None
        writes = plan_writes(place.table)
    for count in range(len(writes) + 1):
        stick = make_stick(folder, name=f"{count}.img")
        with open_device(stick) as device:
            Area(device, place.area.offset, place.area.length).mark()
        for write in writes[:count]:
            put(stick, *write)
        if torn and count < len(writes) and len(writes[count].content) > SECTOR:
            put(stick, writes[count].offset, writes[count].content[:SECTOR])
        boot(folder, stick)
        keep(folder, "made")
        boot(folder, stick)
        assert kept(folder) == "made", count
        release(folder)
        assert "No errors detected" in run("sfdisk", "--verify", str(stick))


def cut_before(monkeypatch: pytest.MonkeyPatch, owner: object, name: str) -> None:
    def cut(*_: object) -> None:
        raise PowerCutError

    monkeypatch.setattr(owner, name, cut)


def cut_after(monkeypatch: pytest.MonkeyPatch, owner: object, name: str) -> None:
    function: Callable[..., object] = getattr(owner, name)

    def cut(*arguments: object) -> None:
        function(*arguments)
        raise PowerCutError

    monkeypatch.setattr(owner, name, cut)


@pytest.mark.parametrize(
    ("owner", "step"),
    [
        (Area, "mark"),
        (finding, "_write_table"),
        (finding, "attach"),
        (Area, "make_file_system"),
        (Area, "unmark"),
        (finding, "mount_state"),
    ],
)
@pytest.mark.parametrize("cut", [cut_before, pytest.param(cut_after, marks=pytest.mark.deep)])
def test_the_power_may_go_between_any_two_steps(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    owner: object,
    step: str,
    cut: Callable[[pytest.MonkeyPatch, object, str], None],
) -> None:
    stick = make_stick(folder)
    with monkeypatch.context() as patched:
        cut(patched, owner, step)
        with pytest.raises(PowerCutError):
            boot(folder, stick)
    release(folder)
    boot(folder, stick)
    keep(folder, "made")
    boot(folder, stick)
    assert kept(folder) == "made"


@pytest.mark.parametrize(
    "part", [0.5, *(pytest.param(part, marks=pytest.mark.deep) for part in (0.0, 0.1, 0.9, 0.999))]
)
def test_the_power_may_go_while_the_file_system_is_made(folder: Path, part: float) -> None:
    whole = make_stick(folder, name="whole.img")
    with open_device(whole) as device:
        area = find_place(device).area
    make_ext4(whole, area.offset, area.length - MEBIBYTE, "FLOTTA_UNREADY")
    written = sorted(at for at in blocks(whole) if at >= PLACE)
    stick = make_stick(folder)
    with pytest.MonkeyPatch.context() as patched:
        cut_before(patched, Area, "make_file_system")
        with pytest.raises(PowerCutError):
            boot(folder, stick)
    release(folder)
    for at in written[: int(len(written) * part)]:
        put(stick, at, get(whole, at, BLOCK))
    boot(folder, stick)
    keep(folder, "made")


def test_a_partition_of_ours_in_which_nothing_was_written_gets_a_file_system(folder: Path) -> None:
    stick = make_stick(folder)
    with open_device(stick) as device:
        table = find_place(device).table
        assert table is not None
        for write in plan_writes(table):
            device.write(write.offset, write.content)
    boot(folder, stick)
    keep(folder, "made")


def test_a_damaged_file_system_is_repaired_or_left_alone_but_never_made_again(
    folder: Path,
) -> None:
    stick = make_stick(folder)
    boot(folder, stick)
    keep(folder, "precious")
    put(stick, PLACE + 1024, bytes(1024))  # the superblock
    assert why(folder, stick) == "StateDamaged"
    put(stick, PLACE, bytes(MEBIBYTE))
    assert why(folder, stick) == "StateDamaged"
    put(stick, 0, ISO)
    assert why(folder, stick) == "StateDamaged"


def test_a_file_system_that_cannot_be_repaired_alone_is_left_alone(folder: Path) -> None:
    stick = make_stick(folder)
    boot(folder, stick)
    keep(folder, "precious")
    described = run("dumpe2fs", f"{stick}?offset={PLACE}")
    found = re.search(r"Inode table at (\d+)-", described)
    size = re.search(r"Block size: +(\d+)", described)
    assert found
    assert size
    inodes = PLACE + int(found[1]) * int(size[1])
    put(stick, inodes + 256, b"\xff" * 256)  # the second inode, the root directory
    with pytest.raises(NoState) as refused:
        boot(folder, stick)
    assert refused.value.reason == "StateDamaged"
    with open_device(stick) as device:
        assert Area(device, PLACE, END - PLACE).find_contents().name == "STATE"


def test_a_partition_of_ours_that_somebody_reused_is_left_alone(folder: Path) -> None:
    stick = make_stick(folder)
    boot(folder, stick)
    keep(folder, "first")
    make_ext4(stick, PLACE, END - PLACE)
    assert why(folder, stick) == "StateDamaged"


def test_a_state_that_was_taken_away_as_documented_is_made_anew(folder: Path) -> None:
    """See docs/reference/images.md#forget-the-state."""
    stick = make_stick(folder)
    boot(folder, stick)
    keep(folder, "first")
    part = attach(stick, f"--offset={PLACE}")
    run("wipefs", "--all", part)
    detach(part)
    run("sfdisk", "--delete", str(stick), "4")
    boot(folder, stick)
    assert not (folder / "state/kept").exists()


@pytest.mark.deep
def test_a_stick_that_was_erased_as_documented_is_used(folder: Path) -> None:
    stick = make_stick(folder)
    make_ext4(stick, PLACE, 100 * MEBIBYTE)
    with open_device(stick) as device:
        add(device, Entry(TYPE, TYPE, 2_300_000, 2_301_000, 0, "x"), kind="0" * 31 + "1")
    assert why(folder, stick) == "StatePlaceTaken"
    remedy = next(row.remedy for row in live.STATE if row.code == "StatePlaceTaken")
    node = attach(stick)
    for command in re.findall(r"`([^`]+)`", remedy):
        run("sh", "-c", f"{command.replace('/dev/sdX', node)} || test -b {node}")  # the disk ends
    detach(node)
    put(stick, 0, ISO)
    boot(folder, stick)
    keep(folder, "made")


def test_a_partition_of_somebody_else_in_the_place_is_left_alone(folder: Path) -> None:
    stick = make_stick(folder)
    with open_device(stick) as device:
        add(device, Entry(TYPE, TYPE, 2_300_000, 2_301_000, 0, "x"), kind="0" * 31 + "1")
    assert why(folder, stick) == "StatePlaceTaken"


def test_several_partitions_or_one_over_the_iso_are_left_alone(folder: Path) -> None:
    stick = make_stick(folder)
    with open_device(stick) as device:
        add(device, Entry(TYPE, TYPE, 100, 2_000_000, 0, "x"))
    assert why(folder, stick) == "StateUnsuitable"
    with open_device(stick) as device:
        add(device, Entry(TYPE, TYPE, 2_100_000, 3_000_000, 0, "x"))
    assert why(folder, stick) == "StateUnsuitable"


def add(device: BlockDevice, entry: Entry, kind: str = "") -> None:
    table = read_table(device, PRIMARY)
    assert table is not None
    moved = table.move_end(last_sector(device))
    kind_of = UUID(kind) if kind else entry.kind
    for write in plan_writes(moved.add(replace(entry, kind=kind_of))):
        device.write(write.offset, write.content)


def test_a_medium_that_cannot_be_written_is_left_alone(
    folder: Path,
) -> None:
    stick = make_stick(folder)
    node = attach(stick, "--read-only")
    assert why(folder, Path(node)) == "StateReadOnly"


def test_a_medium_that_is_too_small_says_how_large_it_must_be(folder: Path) -> None:
    stick = make_stick(folder, size=GIBIBYTE + 200 * MEBIBYTE)
    assert why(folder, stick) == "StateTooSmall"
    with pytest.raises(NoState, match=r"has 1224 MiB.*begins at 1024 MiB.*at least 1281 MiB"):
        boot(folder, stick)
    assert why(folder, make_stick(folder, size=len(ISO))) == "StateTooSmall"


@pytest.mark.parametrize(
    "damage",
    [
        (0, bytes(64 * SECTOR)),  # no table at all: copied files, or an MBR
        (SECTOR + 16, b"\xff\xff\xff\xff"),  # its checksum
        (16 * 2048, bytes(2048)),  # no ISO
    ],
)
def test_a_medium_that_is_not_an_iso_with_its_table_is_left_alone(
    folder: Path, damage: tuple[int, bytes]
) -> None:
    stick = make_stick(folder)
    put(stick, *damage)
    assert why(folder, stick) == "StateUnsuitable"


def test_a_table_that_points_behind_every_disk_is_none(folder: Path) -> None:
    stick = make_stick(folder)
    header = bytearray(get(stick, SECTOR, HEADER_SIZE))
    struct.pack_into("<Q", header, 72, 1 << 63)  # the sector of the entries
    struct.pack_into("<I", header, 16, 0)
    struct.pack_into("<I", header, 16, zlib.crc32(header))
    put(stick, SECTOR, bytes(header))
    assert why(folder, stick) == "StateUnsuitable"


def test_garbage_without_a_signature_is_what_a_used_stick_has_behind_the_iso(
    folder: Path,
) -> None:
    stick = make_stick(folder)
    put(stick, PLACE, b"old file " * 400_000)
    boot(folder, stick)
    keep(folder, "made")
    with open_device(stick) as device:
        assert Area(device, PLACE, END - PLACE).find_contents().name == "STATE"
    assert LABEL in run("blkid", "--probe", f"--offset={PLACE}", str(stick))
