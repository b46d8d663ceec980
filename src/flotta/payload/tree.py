"""The payload of a medium: its manifest and the files for the device, as one archive.

1. The manifest is the first file, so that it is found without unpacking the rest.
2. Below `flotta/root/` is what is copied over the root of the booted system.
3. What a base system needs beside it (a preseed) comes after that, with names of its own.
"""

from __future__ import annotations

import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import PurePosixPath

from flotta.payload.cpio import (
    ArchiveError,
    Entry,
    directory,
    is_zero,
    read_archive,
    write_archive,
)
from flotta.payload.manifest import Manifest, ManifestFile, parse_manifest

FOLDER = "flotta"
MANIFEST = "flotta/manifest.json"
ROOT = "flotta/root"
# Of the directories that hold secrets alone. Every other one exists in any system as 0755.
PRIVATE_FOLDERS = frozenset({f"{ROOT}{path}" for path in ("/root", "/root/.ssh", "/var/lib/iwd")})


class PayloadError(ValueError):
    """The bytes are no payload; the text says why."""


@dataclass(frozen=True)
class PayloadFile:
    """A file for the device.

    `path` is absolute and begins with one slash; `secret` keeps its content out of every output.
    `mtime` is a Unix time, None for that of the payload.
    """

    path: str
    content: bytes
    mode: int = 0o644
    secret: bool = False
    mtime: int | None = None

    def describe(self) -> ManifestFile:
        """Return what the manifest says of the file."""
        if self.secret:
            return ManifestFile(path=self.path, mode=self.mode, secret=True)
        digest = sha256(self.content).hexdigest()
        return ManifestFile(path=self.path, mode=self.mode, sha256=digest)


@dataclass(frozen=True)
class Payload:
    """What was read from a medium; `others` are the entries that a base system needs.

    `dumped` is the manifest as it was written, `epoch` its Unix time.
    """

    manifest: Manifest
    dumped: bytes
    epoch: int
    files: Sequence[PayloadFile]
    others: Sequence[PayloadFile] = ()


def pack(
    manifest: bytes, files: Iterable[PayloadFile], epoch: int, others: Iterable[PayloadFile] = ()
) -> bytes:
    """Return the archive; `epoch` is the Unix time of what has none of its own.

    `others` are files beside the folder of the payload, at their path in the initramfs.
    """
    entries = [directory(FOLDER, epoch), Entry(MANIFEST, stat.S_IFREG | 0o644, epoch, manifest)]
    entries += _place(files, ROOT, epoch)
    entries += _place(others, "", epoch)
    return write_archive(entries)


def unpack(data: bytes | memoryview) -> Payload | None:
    """Return the payload, which zeros may follow, or None when there are only zeros: a free area.

    Raises PayloadError for anything else.
    """
    if is_zero(data):
        return None
    try:
        entries = [entry for entry in read_archive(data) if stat.S_ISREG(entry.mode)]
        first = entries[0] if entries else None
        if first is None or first.name != MANIFEST:
            raise PayloadError("the first file of the payload is not its manifest")
        manifest = parse_manifest(first.content)
    except (ArchiveError, ValueError) as error:
        raise PayloadError(str(error)) from error
    secret = {file.path for file in manifest.files if file.secret}
    return Payload(manifest, first.content, first.mtime, *_split(entries[1:], secret))


def _place(files: Iterable[PayloadFile], folder: str, epoch: int) -> Iterator[Entry]:
    """Yield the files, sorted, with every directory above them once."""
    below = {f"{folder}{file.path}".lstrip("/"): file for file in files}
    above = {str(parent) for name in below for parent in PurePosixPath(name).parents}
    for name in sorted((above | below.keys()) - {".", FOLDER}):
        if name in below:
            yield _entry(name, below[name], epoch)
        else:
            yield directory(name, epoch, 0o700 if name in PRIVATE_FOLDERS else 0o755)


def _entry(name: str, file: PayloadFile, epoch: int) -> Entry:
    mtime = epoch if file.mtime is None else file.mtime
    return Entry(name, stat.S_IFREG | file.mode, mtime, file.content)


def _split(
    entries: Iterable[Entry], secret: set[str]
) -> tuple[list[PayloadFile], list[PayloadFile]]:
    files: list[PayloadFile] = []
    others: list[PayloadFile] = []
    for entry in entries:
        inside = entry.name.startswith(f"{ROOT}/")
        path = entry.name.removeprefix(ROOT) if inside else f"/{entry.name}"
        mode = stat.S_IMODE(entry.mode)
        file = PayloadFile(path, entry.content, mode, inside and path in secret, entry.mtime)
        (files if inside else others).append(file)
    return files, others
