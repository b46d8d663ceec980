"""The files of the payload, copied over the root of the booted system.

They come from the boot medium and go into the layer that is in memory, so that the medium counts
at each boot. What cannot be copied is named and left out.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Collection, Iterator
from pathlib import Path

from flotta.durable_files import READABLE

MAX_FILES = 4096
MAX_TOTAL = 64 << 20  # bytes


def list_payload(source: Path) -> Iterator[Path]:
    """Yield the regular files below `source`, relative and sorted, at most MAX_FILES.

    Links and devices are passed over: a payload of ours has none.
    """
    count = 0
    for folder, names, files in os.walk(source):
        names.sort()
        for name in sorted(files):
            path = Path(folder, name)
            if stat.S_ISREG(path.lstat().st_mode):
                yield path.relative_to(source)
                count += 1
            if count == MAX_FILES:
                return


def install_files(source: Path, root: Path, left_out: Collection[str] = ()) -> list[str]:
    """Copy every file below `source` to the same place below `root`, owned by root.

    Modes and times stay. `left_out` are paths without a leading slash. Returns a sentence for each
    file that could not be copied.
    """
    failures: list[str] = []
    room = MAX_TOTAL
    for path in list_payload(source):
        if str(path) in left_out:
            continue
        try:
            room -= (source / path).lstat().st_size
            if room < 0:
                return [*failures, f"The payload is larger than {MAX_TOTAL} bytes."]
            _install(source / path, _place(root, path))
        except OSError as error:
            failures.append(f"/{path} was not written: {error.strerror}.")
    return failures


def _install(source: Path, target: Path) -> None:
    fresh = target.with_name(f".{target.name}.flotta")
    fresh.unlink(missing_ok=True)
    with (
        open(os.open(source, READABLE | os.O_NOFOLLOW), "rb") as read,
        open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as w,
    ):
        found = os.fstat(read.fileno())
        shutil.copyfileobj(read, w)
        os.fchmod(w.fileno(), stat.S_IMODE(found.st_mode) & 0o777)
        os.utime(w.fileno(), ns=(found.st_mtime_ns, found.st_mtime_ns))
    os.replace(fresh, target)


def _place(root: Path, path: Path) -> Path:
    """Return where a file goes, with its directories made."""
    folder = root
    for name in path.parent.parts:
        folder /= name
        if not folder.is_dir():
            folder.mkdir(mode=0o755)
    return folder / path.name
