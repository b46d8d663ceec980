"""Boot media and disks as sparse files, and what happened to their bytes.

`data/hybrid.iso.gz` was made by xorriso 1.5.4 as base images are: an MBR for GRUB, a partition
table with 248 entries and gaps as partitions. Its first MBR partition is marked as bootable.
"""

from __future__ import annotations

import gzip
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

BLOCK = 4096  # bytes
GIBIBYTE = 1 << 30
MEBIBYTE = 1 << 20
SECTOR = 512
STICK = GIBIBYTE + 320 * MEBIBYTE
ISO = gzip.decompress((Path(__file__).parent / "data/hybrid.iso.gz").read_bytes())
ATTACHED: list[str] = []  # loop devices of the test that runs
BACKUP = 63 * SECTOR  # bytes at the end of the medium: 248 entries and a header


def make_stick(folder: Path, size: int = STICK, name: str = "stick.img") -> Path:
    """Return a new stick to which the ISO was written."""
    path = make_disk(folder, size, name)
    put(path, 0, ISO)
    return path


def make_disk(folder: Path, size: int = 300 * MEBIBYTE, name: str = "disk.img") -> Path:
    path = folder / name
    with path.open("wb") as file:
        file.truncate(size)
    return path


def put(path: Path, offset: int, content: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(content)


def get(path: Path, offset: int, length: int) -> bytes:
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(length)


def blocks(path: Path) -> dict[int, bytes]:
    """Return every block that is not zero, by its offset."""
    return dict(_blocks(path))


def changed(before: dict[int, bytes], after: dict[int, bytes]) -> set[int]:
    """Return the offsets of blocks that differ."""
    return {at for at in before.keys() | after.keys() if before.get(at) != after.get(at)}


def _blocks(path: Path) -> Iterator[tuple[int, bytes]]:
    with path.open("rb") as file:
        end, at = file.seek(0, os.SEEK_END), 0
        while at < end:
            try:
                at = os.lseek(file.fileno(), at, os.SEEK_DATA) // BLOCK * BLOCK
            except OSError:
                return
            hole = os.lseek(file.fileno(), at, os.SEEK_HOLE)
            while at < hole:
                block = os.pread(file.fileno(), BLOCK, at)
                if block.strip(b"\0"):
                    yield at, block
                at += BLOCK


def make_ext4(path: Path, offset: int, size: int, label: str = "other") -> None:
    options = ["-q", "-F", "-L", label, "-E", f"offset={offset},nodiscard"]
    run("mkfs.ext4", *options, str(path), f"{size // 1024}k")


def run(*command: str) -> str:
    path = f"/usr/sbin:/sbin:{os.environ['PATH']}"
    done = subprocess.run(
        command, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def attach(path: Path, *options: str) -> str:
    """Return a loop device on a file, until `release`."""
    node = run("losetup", "--find", "--show", *options, str(path)).strip()
    ATTACHED.append(node)
    return node


def detach(node: str) -> None:
    ATTACHED.remove(node)
    run("losetup", "--detach", node)


def release(folder: Path) -> None:
    """Unmount what a test mounted below a folder, and give its loop devices back.

    Those that the live system attached go with their mounts, unless the power went before.
    """
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for point in reversed([point for point in points if point.startswith(f"{folder}/")]):
        run("umount", point)
    while ATTACHED:
        detach(ATTACHED[-1])
    for backing in Path("/sys/block").glob("loop*/loop/backing_file"):  # a power cut left them
        if backing.read_text().startswith(f"{folder}/"):
            run("losetup", "--detach", f"/dev/{backing.parts[3]}")
