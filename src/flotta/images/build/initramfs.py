"""The initramfs of a base image: busybox, `init` and the drivers that may lead to the medium."""

from __future__ import annotations

import gzip
import stat
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path, PurePosixPath

from flotta.images.build.kernel_modules import needed_modules
from flotta.payload.cpio import Entry, directory, write_archive

SCRIPTS = {"init": "init", "medium.sh": "lib/medium.sh"}  # in data: their paths


def make_initramfs(root: Path, kernel: str, epoch: int) -> bytes:
    """Return the archive for the kernel release, from the unpacked root with /boot/build."""
    modules = needed_modules(root / "usr/lib/modules" / kernel)
    contents = {f"lib/modules/{kernel}/{path}": data for path, data in modules.items()}
    contents["bin/busybox"] = _busybox(root / "boot/build").read_bytes()
    for name, path in SCRIPTS.items():
        contents[path] = files(__package__).joinpath("data", name).read_bytes()
    # Without the level's default of a name and a time, equal files give equal bytes.
    return gzip.compress(write_archive(_entries(contents, epoch)), compresslevel=9, mtime=0)


def _busybox(unpacked: Path) -> Path:
    return next(
        path for path in (unpacked / "bin/busybox", unpacked / "usr/bin/busybox") if path.exists()
    )


def _entries(contents: dict[str, bytes], epoch: int) -> Iterator[Entry]:
    folders = {str(parent) for path in contents for parent in PurePosixPath(path).parents}
    for name in sorted({*folders, *contents} - {"."}):
        if name in folders:
            yield directory(name, epoch)
        else:
            yield Entry(name, stat.S_IFREG | 0o755, epoch, contents[name])
