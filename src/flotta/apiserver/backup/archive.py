"""Reading an archive that may have been written by somebody else: bounded, and nothing outside."""

from __future__ import annotations

import hashlib
import os
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import msgspec

from flotta.apiserver.backup.contents import (
    DATABASE,
    LIST,
    MAX_LIST,
    BackupError,
    Contents,
    Entry,
    check_contents,
)

CHUNK = 1024 * 1024  # bytes
FOREIGN = "it is not a backup of flotta-apiserver, or it is damaged"


class _PlainMember(tarfile.TarInfo):
    """A member that is a file: no link, no device, no extended header, which has any length."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> _PlainMember:
        """Return the member of a header. Raises BackupError for another kind."""
        member = super().frombuf(buf, encoding, errors)
        if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE):
            raise BackupError(f"the archive has {member.name!r}, which is not a file: {FOREIGN}")
        return member


def read_contents(path: Path) -> Contents:
    """Return the list of an archive, checked. Raises BackupError."""
    with open_archive(path) as archive:
        member = _next_member(archive)
        file = archive.extractfile(member) if member and member.name == LIST else None
        if member is None or file is None or member.size > MAX_LIST:
            raise BackupError(f"{path} cannot be restored: {FOREIGN}")
        try:
            contents = msgspec.json.decode(file.read(), type=Contents)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise BackupError(f"{path} cannot be restored: {FOREIGN}") from error
    check_contents(contents)
    return contents


@contextmanager
def open_archive(path: Path) -> Iterator[tarfile.TarFile]:
    """Open an archive. Raises BackupError if it is none, OSError if it cannot be read."""
    try:
        with tarfile.open(path, "r:", tarinfo=_PlainMember) as archive:
            yield archive
    except (tarfile.TarError, EOFError) as error:
        raise BackupError(f"{path} cannot be restored ({error}): {FOREIGN}") from error


def extract_files(path: Path, contents: Contents, targets: dict[str, Path]) -> None:
    """Write each listed file of an archive to its target, which must not exist.

    Raises BackupError if a member is missing, twice, not listed, or not what the list says.
    """
    files = contents.files()
    with open_archive(path) as archive:
        _next_member(archive)
        while (member := _next_member(archive)) is not None:
            entry = files.pop(member.name, None)
            source = archive.extractfile(member) if entry and member.isreg() else None
            if entry is None or source is None or member.size != entry.size:
                raise BackupError(f"{path} is damaged: its list does not have {member.name!r}")
            _copy_file(source, targets[entry.name], entry, path)
    if files:
        raise BackupError(f"{path} is damaged: {', '.join(sorted(files)[:3])} is missing")


def _next_member(archive: tarfile.TarFile) -> tarfile.TarInfo | None:
    """Return the next member. Members are not collected: an archive may have any number."""
    member = archive.next()
    archive.members = []  # type: ignore[attr-defined]
    return member


def _copy_file(source: IO[bytes], target: Path, entry: Entry, archive: Path) -> None:
    digest, left = hashlib.sha256(), entry.size
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        while left and (chunk := source.read(min(CHUNK, left))):
            digest.update(chunk)
            file.write(chunk)
            left -= len(chunk)
        file.flush()
        os.fsync(file.fileno())
    if left or digest.hexdigest() != entry.sha256:
        raise BackupError(f"{archive} is damaged: {entry.name} is not as it was written")


def database_size(contents: Contents) -> int:
    """Return the bytes of the database in an archive."""
    return contents.files()[DATABASE].size
