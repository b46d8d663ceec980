"""Directories below each other, deeper than any path can name."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY


@contextmanager
def deep_directory(top: Path, depth: int, name: str = "d") -> Iterator[None]:
    """Have `depth` directories below `top`, which is made if it does not exist.

    What a failed test leaves is removed: pytest, which removes the directories of earlier runs,
    recurses and would end with a RecursionError.
    """
    top.mkdir(exist_ok=True)
    try:
        _fill(top, depth, name)
        yield
    finally:
        subprocess.run(["rm", "-rf", "--", top], check=True)


def _fill(top: Path, depth: int, name: str) -> None:
    descriptor = os.open(top, DIRECTORY)
    for _ in range(depth):
        os.mkdir(name, dir_fd=descriptor)
        inner = os.open(name, DIRECTORY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = inner
    os.close(os.open("bottom", os.O_CREAT | os.O_WRONLY, dir_fd=descriptor))
    os.close(descriptor)
