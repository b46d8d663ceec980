"""What is in the directory of one secret: its keys as files, and its marks.

Only regular files with the name of a key count. What else is there stays, and keeps the secret from
being written: replacing it would destroy what somebody else put there.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from flotta.durable_files import read_bounded, sync_directory
from flotta.edge_api.backends.backend import StoredSecret
from flotta.edge_api.backends.files.errors import name_user, unusable
from flotta.fleet.registration_batches import SPECIFICATION_KEY
from flotta.identity.server_requests import REQUEST_KEY
from flotta.own_names import CERTIFICATES_CONFIG_MAP

REGISTRATION = ".registration"  # marks a registration certificate without a specification; empty
PROBLEM = ".problem"  # what is wrong with a secret, as text
MARKS = (REGISTRATION, PROBLEM)
KEY = re.compile(r"[a-zA-Z0-9_][-._a-zA-Z0-9]{0,252}")
MAX_FILE = 1024 * 1024  # bytes; the limit of a Secret
MAX_FILES = 64  # in the directory of a secret
PUBLIC = (CERTIFICATES_CONFIG_MAP,)  # directories of what everybody may read
PRIVATE_BITS, FOREIGN_WRITE_BITS = 0o077, 0o022


@dataclass(frozen=True)
class Contents:
    """The files of a secret, and the names of what does not belong there."""

    files: Mapping[str, bytes]  # by name, marks too
    foreign: tuple[str, ...] = ()

    @property
    def version(self) -> str:
        """A hash of the files."""
        digest = hashlib.sha256()
        for name, value in sorted(self.files.items()):
            digest.update(f"{name}\0{len(value)}\0".encode() + value)
        return digest.hexdigest()

    def as_secret(self, name: str) -> StoredSecret:
        """Return the secret that these are the files of."""
        data = {key: value for key, value in self.files.items() if key not in MARKS}
        registers = REGISTRATION in self.files or SPECIFICATION_KEY in data
        problem = self.files.get(PROBLEM, b"").decode(errors="replace").strip()
        serves = REQUEST_KEY in data and not registers
        return StoredSecret(name, data, self.version, registers, problem, serves)


def read_contents(directory: Path, owner: int) -> Contents:
    """Return what is in a directory of a user's secrets.

    Raises OSError, and BackendError for what cannot be used, or is not that user's alone.
    """
    files, foreign = {}, []
    for entry in _entries(directory):
        if entry.name not in MARKS and KEY.fullmatch(entry.name) is None:
            foreign.append(entry.name)
            continue
        if not entry.is_file(follow_symlinks=False):
            raise unusable(
                f"{entry.path} is not a regular file; put a copy of what it stands for in its "
                "place, or move it elsewhere."
            )
        _require_own(Path(entry.path), entry.stat(follow_symlinks=False), owner)
        files[entry.name] = read_bounded(Path(entry.path), MAX_FILE)
    return Contents(files, tuple(sorted(foreign)))


def _entries(directory: Path) -> Iterator[os.DirEntry[str]]:
    with os.scandir(directory) as entries:
        for number, entry in enumerate(entries):
            if number >= MAX_FILES:
                raise unusable(
                    f"{directory} holds more than {MAX_FILES} files; move elsewhere what is not of "
                    "certificates."
                )
            yield entry


def write_contents(directory: Path, files: Mapping[str, bytes], owner: tuple[int, int]) -> None:
    """Make a directory with these files, durable on the disk; raises OSError.

    `owner` is a user and a group; other users than root can make files of their own alone.
    """
    public = directory.name.removeprefix(".").removesuffix(".new") in PUBLIC
    directory.mkdir(0o700)
    for name, value in files.items():
        path = directory / name
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb") as file:
            _give(handle, owner)
            os.fchmod(handle, 0o644 if public else 0o600)
            file.write(value)
            file.flush()
            os.fsync(handle)
    if os.geteuid() == 0:
        os.chown(directory, *owner)
    os.chmod(directory, 0o755 if public else 0o700)
    sync_directory(directory)


def _give(handle: int, owner: tuple[int, int]) -> None:
    if os.geteuid() == 0:
        os.fchown(handle, *owner)


def _require_own(path: Path, found: os.stat_result, owner: int) -> None:
    """Raise BackendError for a file that somebody else can exchange, or a key that others may read.

    Others cannot reach the rest in its directory, where an editor may leave 0644.
    """
    _require_owner(path, found, owner)
    forbidden = PRIVATE_BITS if path.suffix == ".key" else FOREIGN_WRITE_BITS
    if found.st_mode & forbidden:
        mode = "644" if path.parent.name in PUBLIC else "600"
        raise unusable(
            f"{path} has the mode {stat.S_IMODE(found.st_mode):o}, so other users may have what is "
            f"in it, or have changed it. If not, close it: chmod {mode} {path}"
        )
    if found.st_nlink > 1:
        raise unusable(
            f"{path} is a hard link, and {found.st_nlink - 1} more lead to the same file, so it "
            f"may be read or changed elsewhere. Make it a file of its own: "
            f"cp -p {path} {path}.copy && mv {path}.copy {path}"
        )


def _require_owner(path: Path, found: os.stat_result, owner: int) -> None:
    if found.st_uid not in (owner, os.geteuid(), 0):
        raise unusable(
            f"{path} belongs to the user {name_user(found.st_uid)}, who could exchange what is "
            f"in it. Give it back: chown -R {name_user(owner)} {path}"
        )


def require_private(path: Path, found: os.stat_result, owner: int) -> None:
    """Raise BackendError for a directory of somebody else, or that others may look into.

    `owner` is the user whose secrets they are; root's are accepted too.
    """
    if not stat.S_ISDIR(found.st_mode):
        raise unusable(f"{path} is not a directory; move it elsewhere.")
    _require_owner(path, found, owner)
    forbidden = FOREIGN_WRITE_BITS if path.name in PUBLIC else PRIVATE_BITS
    if found.st_mode & forbidden:
        mode = "755" if path.name in PUBLIC else "700"
        raise unusable(
            f"{path} has the mode {stat.S_IMODE(found.st_mode):o}, so other users can get at what "
            f"is in it. Close it: chmod {mode} {path}"
        )
