"""Where file systems are mounted, and where they are configured to be."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

MOUNT_INFO = Path("/proc/self/mountinfo")
FSTAB = Path("/etc/fstab")
ESCAPED = re.compile(r"\\([0-7]{3})")


def list_mount_points(path: Path = MOUNT_INFO) -> list[str]:
    """Return the mount points of this process, in the order of mounting (proc_pid_mountinfo(5)).

    Raises OSError.
    """
    return [_unescape(fields[4]) for fields in _read_fields(path) if len(fields) > 4]


def list_configured(path: Path = FSTAB) -> list[str]:
    """Return the mount points in fstab(5) that are mounted at boot; none where it is unreadable.

    Symbolic links are resolved, as mount(8) does: the kernel lists where they lead.
    """
    try:
        entries = [fields for fields in _read_fields(path) if len(fields) > 3]
    except OSError:
        return []
    return [
        os.path.realpath(_unescape(fields[1]))
        for fields in entries
        if fields[1].startswith("/") and "noauto" not in fields[3].split(",")
    ]


def find_needed(mounts: Iterable[str], directory: str) -> list[str]:
    """Return those of the mount points that a directory or something below it is on, sorted.

    The directory may be reached by symbolic links, which are on file systems too; a mount point
    never is.
    """
    places = directory, os.path.realpath(directory)
    return sorted(
        path
        for path in mounts
        if any(is_within(path, place) or is_within(place, path) for place in places)
    )


def is_within(path: str, directory: str) -> bool:
    """Tell whether an absolute path is a directory or below it."""
    return path == directory or path.startswith(f"{directory.rstrip('/')}/")


def _read_fields(path: Path) -> Iterable[list[str]]:
    text = path.read_bytes().decode("utf-8", "surrogateescape")
    lines = (line.strip() for line in text.split("\n"))
    return [line.split() for line in lines if line and not line.startswith("#")]


def _unescape(text: str) -> str:
    """Read a field, in which spaces and some other bytes are in octal."""
    return ESCAPED.sub(lambda match: chr(int(match[1], 8)), text)
