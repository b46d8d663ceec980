"""A file system of a few mebibytes, full or read-only as a test needs it."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

BLOCK = 64 * 1024  # bytes


@dataclass(frozen=True)
class SmallDisk:
    """A tmpfs at `path`."""

    path: Path

    def fill(self, name: str = "filling") -> Path:
        """Write a file until not one byte is free; return it."""
        path = self.path / name
        with path.open("ab", buffering=0) as file:
            for block in (bytes(BLOCK), bytes(1)):
                with contextlib.suppress(OSError):
                    while file.write(block) == len(block):
                        pass
        return path

    def remount(self, options: str) -> None:
        """Change the options, for example to `ro`."""
        subprocess.run(["mount", "-o", f"remount,{options}", self.path], check=True)


@contextmanager
def mount_small_disk(path: Path, size: str = "8m") -> Iterator[SmallDisk]:
    """Mount a tmpfs; skip the test where that is not allowed."""
    path.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False).returncode != 0:
        pytest.skip("only root can mount a small file system")
    try:
        yield SmallDisk(path)
    finally:
        subprocess.run(["umount", "-l", path], check=True)
