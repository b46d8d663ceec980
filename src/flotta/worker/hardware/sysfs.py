"""Reading the small files of /proc and /sys."""

from __future__ import annotations

from pathlib import Path


def read_text(path: Path) -> str:
    """Return the stripped text of a file, empty when it cannot be read."""
    try:
        return path.read_text(errors="replace").strip("\0 \n\t")
    except OSError:
        return ""


def read_number(path: Path) -> int | None:
    """Return the number in a file, None when there is none."""
    try:
        return int(read_text(path), 0)
    except ValueError:
        return None


def list_directory(path: Path) -> list[Path]:
    """Return the entries of a directory in order, none when it cannot be read."""
    try:
        return sorted(path.iterdir())
    except OSError:
        return []
