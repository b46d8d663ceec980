"""Secrets as directories below one directory, such as `flotta-ca/ca.crt`. It blocks.

A secret is replaced as a whole. The order, each step of which may be the last before a power cut:

1. The new files are written to `.NAME.new`, durably.
2. `NAME` becomes `.NAME.old`, and `.NAME.new` becomes `NAME`.
3. `.NAME.old` is removed.

Where `NAME` is missing, `.NAME.old` counts, so the secret is the former one or the new one. What is
removed becomes `.NAME.gone`, which never counts. Readers and writers of several processes exclude
each other by a lock of the directory.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from flotta.directory_lock import DirectoryLockedError, hold_lock
from flotta.dns1123 import is_subdomain
from flotta.durable_files import sync_directory
from flotta.edge_api.backends.backend import BackendError, StoredSecret
from flotta.edge_api.backends.files.contents import (
    KEY,
    PROBLEM,
    REGISTRATION,
    Contents,
    read_contents,
    require_private,
    write_contents,
)
from flotta.edge_api.backends.files.errors import changed, explain, name_user, unusable

PATIENCE = 15.0  # seconds; whoever holds the lock writes a few small files
MAX_NAME = 240  # characters; a file has 255, and `.old` belongs to them
MODE = 0o711  # of the directory: who can open it can lock it
MODE_FORBIDDEN = 0o066
RESTS = (".new", ".gone")
Signature = tuple[tuple[str, int, int, int], ...]  # name, inode, bytes, nanoseconds of each file


class SecretDirectory:
    """The secrets in one directory. Every method raises BackendError, with what to do."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def prepare(self) -> None:
        """Create the directory if it is missing; those above it have to exist."""
        with self._explained(), contextlib.suppress(FileExistsError):
            self.path.mkdir(MODE)

    def read(self, name: str) -> StoredSecret | None:
        """Return a secret, None when it does not exist."""
        with self._explained(), self._opened(writing=False):
            found = self._read(name)
            return found.as_secret(name) if found else None

    def read_all(self) -> tuple[list[StoredSecret], list[str]]:
        """Return every secret by name, and what is wrong with those that cannot be used."""
        secrets, problems = [], []
        with self._explained(), self._opened(writing=False):
            for name in self._names():
                try:
                    found = self._read(name)
                except OSError as error:
                    problems.append(str(explain(error, self.path)))
                except BackendError as error:
                    problems.append(str(error))
                else:
                    secrets += [found.as_secret(name)] if found else []
        return secrets, problems

    def create(
        self, name: str, data: Mapping[str, bytes], *, registration: bool = False
    ) -> StoredSecret:
        """Create a secret and return it, or the one that exists."""
        self.prepare()
        with self._explained(), self._opened(writing=True):
            found = self._read(name)
            if found is None:
                marks = {REGISTRATION: b""} if registration else {}
                found = self._write(name, {**data, **marks})
            return found.as_secret(name)

    def replace(
        self, secret: StoredSecret, data: Mapping[str, bytes], *, problem: str | None = None
    ) -> StoredSecret:
        """Replace the data and the note of a secret; raises SecretConflict when it changed."""
        noted = secret.problem if problem is None else problem
        marks = {REGISTRATION: b""} if secret.registers else {}
        marks |= {PROBLEM: noted.encode()} if noted else {}
        with self._explained(), self._opened(writing=True):
            self._require_unchanged(secret)
            return self._write(secret.name, {**data, **marks}).as_secret(secret.name)

    def remove(self, secret: StoredSecret) -> None:
        """Remove a secret; raises SecretConflict when it changed."""
        with self._explained(), self._opened(writing=True):
            files = self._require_unchanged(secret).files
            gone = self.path / f".{secret.name}.gone"
            self._drop_old(secret.name)
            os.rename(self._place(secret.name), gone)
            sync_directory(self.path)
            _discard(gone, files)

    def sign(self) -> dict[str, Signature]:
        """Return for each secret what changes when a file of it does."""
        with self._explained(), self._opened(writing=False):
            return {name: _sign(self._place(name)) for name in self._names()}

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise explain(error, self.path) from error
        except DirectoryLockedError as error:
            raise unusable(
                f"Another program has locked {self.path} for {PATIENCE:.0f} s. Find it with: "
                f"fuser -v {self.path}"
            ) from error

    @contextlib.contextmanager
    def _opened(self, *, writing: bool) -> Iterator[None]:
        with hold_lock(self.path, PATIENCE, writing=writing):
            found = os.stat(self.path)
            if found.st_uid not in (0, os.geteuid()) and os.geteuid() != 0:
                raise unusable(
                    f"{self.path} belongs to the user {name_user(found.st_uid)}; run as that user, "
                    "or as root."
                )
            if found.st_mode & MODE_FORBIDDEN:
                raise unusable(
                    f"{self.path} has the mode {stat.S_IMODE(found.st_mode):o}, so other users can "
                    f"exchange or lock what is in it. Close it: chmod {MODE:o} {self.path}"
                )
            if writing:
                self._remove_rests()
            yield

    def _read(self, name: str) -> Contents | None:
        if not is_subdomain(name) or len(name) > MAX_NAME:
            raise unusable(
                f"{name!r} cannot be the name of a Secret: use at most {MAX_NAME} lower-case "
                "letters, digits, - and ."
            )
        place = self._place(name)
        try:
            found = os.lstat(place)
        except FileNotFoundError:
            return None
        owner = os.stat(self.path).st_uid
        require_private(place, found, owner)
        return read_contents(place, owner)

    def _names(self) -> list[str]:
        """Return the names of all secrets, also of one whose writing a power cut ended."""
        entries = os.listdir(self.path)
        cut = [item[1:-4] for item in entries if item.startswith(".") and item.endswith(".old")]
        whole = [item for item in entries if not item.startswith(".")]
        return sorted({item for item in whole + cut if is_subdomain(item)})

    def _place(self, name: str) -> Path:
        """Return where a secret is, or would be."""
        place = self.path / name
        old = self._old(name)
        return old if old.is_dir() and not place.exists() else place

    def _old(self, name: str) -> Path:
        return self.path / f".{name}.old"

    def _require_unchanged(self, secret: StoredSecret) -> Contents:
        found = self._read(secret.name)
        if found is None or found.version != secret.version:
            raise changed(secret.name)
        if found.foreign:
            raise unusable(
                f"{self.path / secret.name} holds {', '.join(found.foreign)}, which does not "
                "belong there. Nothing was changed; move it elsewhere."
            )
        return found

    def _write(self, name: str, files: Mapping[str, bytes]) -> Contents:
        for key in files:
            if key not in (REGISTRATION, PROBLEM) and KEY.fullmatch(key) is None:
                raise unusable(f"{key!r} cannot be the name of a file in {self.path / name}.")
        new, found = self.path / f".{name}.new", os.stat(self.path)
        try:
            write_contents(new, files, (found.st_uid, found.st_gid))
        except BaseException:  # the disk is full, or the program is ended: nothing stays behind
            shutil.rmtree(new, ignore_errors=True)
            raise
        self._drop_old(name)
        place = self.path / name
        if place.exists():
            os.rename(place, self._old(name))
        os.rename(new, place)
        sync_directory(self.path)
        self._drop_old(name)
        return Contents(files)

    def _drop_old(self, name: str) -> None:
        """Remove the former secret, if there is a later one."""
        old = self._old(name)
        if old.exists() and (self.path / name).exists():
            _discard(old, read_contents(old, os.stat(self.path).st_uid).files)

    def _remove_rests(self) -> None:
        """Remove what power cuts left of secrets that were just written or removed."""
        for name in os.listdir(self.path):
            stem, ending = os.path.splitext(name)
            if ending in RESTS and stem.startswith(".") and is_subdomain(stem[1:]):
                shutil.rmtree(self.path / name)


def _discard(old: Path, files: Mapping[str, bytes]) -> None:
    """Remove a former secret; raises OSError when something else is in its directory."""
    for name in files:
        (old / name).unlink()
    old.rmdir()


def _sign(place: Path) -> Signature:
    with contextlib.suppress(OSError), os.scandir(place) as entries:
        found = [(item.name, item.stat(follow_symlinks=False)) for item in entries]
        signed = [(name, at.st_ino, at.st_size, at.st_mtime_ns) for name, at in found]
        return tuple(sorted(signed))
    return ()
