"""Media that are given back after each test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from unit.live import media


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Give a directory, and take its mounts and loop devices back."""
    if os.geteuid() or not Path("/dev/loop-control").exists():
        pytest.skip("needs root and loop devices")
    yield tmp_path
    media.release(tmp_path)
