"""What is in an archive: its parts, where they are on a machine, and the list of its files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

FORMAT = 1  # of the archive; a program reads only the one it knows
LIST = "flotta-backup.json"  # the first member
DATABASE = "database/state.db"
ADMIN_FILE = "s3-admin/s3-admin.env"
USERS = "s3-keys/users"  # of the IAM API
FOLDERS = ("pki", "kubeconfig", "s3-keys", USERS)
REQUIRED = (DATABASE, "pki/ca.crt", "pki/ca.key", "pki/s3-ca.crt", "pki/s3-ca.key")
# Short enough for the plain header of a tar archive.
NAME = re.compile(rf"(?:{'|'.join(FOLDERS)})/[A-Za-z0-9][A-Za-z0-9._=+@,-]{{0,79}}")
MAX_FILE = 1024 * 1024  # bytes of a file other than the database
MAX_LIST = 128 * 1024 * 1024  # bytes of the list
MAX_FILES = 500_000  # an access key of each bucket is one


class BackupError(Exception):
    """A backup cannot be written or restored; the text says why and what to do."""


@dataclass(frozen=True)
class Places:
    """Where the parts are on this machine."""

    database: Path
    pki: Path
    kubeconfigs: Path
    s3_keys: Path
    s3_admin: Path

    def folders(self) -> Iterator[tuple[str, Path]]:
        """Yield the name of each part that is a folder, and the folder; outer ones first."""
        places = (self.pki, self.kubeconfigs, self.s3_keys, self.s3_keys / "users")
        yield from zip(FOLDERS, places, strict=True)


class Entry(msgspec.Struct, frozen=True):
    """A file or, without a digest, a folder of the archive."""

    name: str
    mode: int
    owner: str
    group: str
    size: int = 0
    sha256: str = ""


class Contents(msgspec.Struct, frozen=True):
    """The list of an archive's entries, the first member of it."""

    format: int
    created: str
    release: str
    entries: list[Entry]

    def files(self) -> dict[str, Entry]:
        """Return the files by name."""
        return {entry.name: entry for entry in self.entries if entry.sha256}


def check_contents(contents: Contents) -> None:
    """Refuse a list that no backup has. Raises BackupError."""
    if contents.format != FORMAT:
        raise BackupError(
            f"the archive has format {contents.format}, this program reads {FORMAT}: "
            f"install flotta.edge {contents.release}, which wrote it"
        )
    files = contents.files()
    names = [entry.name for entry in contents.entries]
    if len(names) > MAX_FILES or len(set(names)) < len(names):
        raise BackupError("the archive lists too many files, or one of them twice")
    for entry in contents.entries:
        _check_entry(entry)
    missing = [name for name in REQUIRED if name not in files]
    if missing:
        raise BackupError(f"the archive is not complete: {', '.join(missing)} is missing")


def _check_entry(entry: Entry) -> None:
    if not entry.sha256:
        if entry.name not in FOLDERS:
            raise BackupError(f"the archive has a folder {entry.name!r} that no backup has")
        return
    if not is_name(entry.name):
        raise BackupError(f"the archive has a file {entry.name!r} that no backup has")
    if entry.size > MAX_FILE and entry.name != DATABASE:
        raise BackupError(f"the file {entry.name} of the archive is too large")


def is_name(name: str) -> bool:
    """Tell whether a file of a backup may have this name."""
    return name in (DATABASE, ADMIN_FILE) or NAME.fullmatch(name) is not None
