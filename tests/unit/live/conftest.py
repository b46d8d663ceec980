"""Media that are given back after each test."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from unit.live import media

# Loop devices are few and the kernel's: a test that gives one back must not meet its next user.
LOCK = Path(tempfile.gettempdir()) / "flotta-loop-devices.lock"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Give a directory, and take its mounts and loop devices back."""
    if os.geteuid() or not Path("/dev/loop-control").exists():
        pytest.skip("needs root and loop devices")
    with LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield tmp_path
        media.release(tmp_path)
