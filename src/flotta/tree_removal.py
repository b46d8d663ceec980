"""Removing a directory, whatever a program has put into it.

1. Nothing recurses, at most LEVELS descriptors are open for one tree, and names are read a few at a
   time. What lies deeper than LEVELS is moved up into the tree's top directory first.
2. An entry is always addressed through the descriptor of its parent, without following links.
3. A mount point stays, with what is mounted there: rmdir(2) refuses it with EBUSY.
4. What cannot be removed stops nothing else. It is returned with the reason and the next step.
5. It ends after TIME_LIMIT: a program that still runs may make files as fast as they are removed.
"""

from __future__ import annotations

import enum
import errno
import os
import secrets
import stat
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

LEVELS = 32  # directories that are open at once; deeper ones are moved up
BATCH = 256  # directories of one level that are remembered to be entered
MAX_FAILURES = 1000  # entries of one directory that are skipped when it is read again
MAX_NAMED = 20  # failures that are returned for one tree; the others are counted
TIME_LIMIT = 600.0  # seconds for one tree; the next attempt continues
MAX_PATH = 300  # characters of a path that is named
DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
NOT_EMPTY = (errno.ENOTEMPTY, errno.EEXIST)  # either is allowed by rmdir(2)
GONE = (errno.ENOENT, errno.ENOTDIR)
REMEDIES = {
    errno.EBUSY: "it is a mount point; unmount it",
    errno.EPERM: "it is not permitted; `lsattr -d` shows marks, `chattr -i -a` removes them",
    errno.EROFS: "the file system is read-only; remount it writable",
    errno.ENOTEMPTY: "a program that still runs fills it again; stop that program",
}


class RemovalFailure(NamedTuple):
    """What could not be removed, and a reason with a next step, without a full stop."""

    path: str
    reason: str

    @property
    def is_mount_point(self) -> bool:
        """Whether a file system is mounted there."""
        return self.reason == REMEDIES[errno.EBUSY]

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


def remove_tree(path: Path) -> list[RemovalFailure]:
    """Remove a file, a link or a directory with everything below, if it exists.

    Returns what is left, at most MAX_NAMED of it and a last entry that counts the others.
    """
    return _Removal(path).remove()


def empty_tree(path: Path) -> list[RemovalFailure]:
    """Remove everything below a directory, but not itself; return what is left as `remove_tree`."""
    return _Removal(path, keeps_top=True).remove()


def empty_directory(path: Path, kept: Sequence[str] = ()) -> list[RemovalFailure]:
    """Remove what is in a directory, but not itself and not the entries named in `kept`."""
    try:
        names = [name for name in os.listdir(path) if name not in kept]
    except OSError as error:
        return [] if error.errno in GONE else [_describe(os.fspath(path), error)]
    return [failure for name in sorted(names) for failure in remove_tree(path / name)]


@dataclass
class _Level:
    """An open directory. `pending` are subdirectories to enter, `failed` entries that stay."""

    descriptor: int
    name: str
    pending: list[str] = field(default_factory=list)
    failed: set[str] = field(default_factory=set)
    is_crowded: bool = False  # more entries stay than `failed` has room for


class _OutOfTimeError(Exception):
    pass


class _Outcome(enum.Enum):
    REMOVED = enum.auto()
    NOT_EMPTY = enum.auto()
    LEFT = enum.auto()  # and noted


class _Removal:
    def __init__(self, path: Path, *, keeps_top: bool = False) -> None:
        self._path = path
        self._keeps_top = keeps_top
        self._levels: list[_Level] = []
        self._failures: list[RemovalFailure] = []
        self._is_more_left = False  # than `_failures` names
        self._end = time.monotonic() + TIME_LIMIT
        self._moved = 0
        self._moved_name = f".removing-{secrets.token_hex(4)}"

    def remove(self) -> list[RemovalFailure]:
        try:
            parent = os.open(self._path.parent, DIRECTORY & ~os.O_NOFOLLOW)
        except OSError as error:
            return [] if error.errno in GONE else [_describe(os.fspath(self._path), error)]
        try:
            self._remove_top(_Level(parent, os.fspath(self._path.parent)))
        except _OutOfTimeError:
            reason = f"not all of it was removed within {TIME_LIMIT:.0f} s; it continues"
            self._failures.append(RemovalFailure(os.fspath(self._path), reason))
        finally:
            for level in self._levels:
                os.close(level.descriptor)
            os.close(parent)
        if self._is_more_left:
            self._failures.append(RemovalFailure(os.fspath(self._path), "more below it is left"))
        return self._failures

    def _remove_top(self, above: _Level) -> None:
        name = self._path.name
        if not self._keeps_top and self._remove_entry(above, name) is not _Outcome.NOT_EMPTY:
            return
        self._enter(above, name)
        while self._levels:
            level = self._levels[-1]
            if level.pending:
                self._descend(level, level.pending.pop())
            elif not self._read(level):
                self._leave(above)

    def _descend(self, level: _Level, name: str) -> None:
        if len(self._levels) < LEVELS:
            self._enter(level, name)
        else:
            self._move_up(level, name)

    def _enter(self, parent: _Level, name: str) -> None:
        try:
            descriptor = os.open(name, DIRECTORY, dir_fd=parent.descriptor)
        except OSError as error:
            self._note(parent, name, error)
        else:
            self._levels.append(_Level(descriptor, name))

    def _move_up(self, level: _Level, name: str) -> None:
        """Move a directory into the top one, which is read until nothing new is in it."""
        self._moved += 1
        target = f"{self._moved_name}-{self._moved}"
        top = self._levels[0].descriptor
        try:
            os.rename(name, target, src_dir_fd=level.descriptor, dst_dir_fd=top)
        except OSError as error:
            self._note(level, name, error)

    def _read(self, level: _Level) -> bool:
        """Remove all but directories with content; tell whether there is more to do here."""
        was_crowded, has_removed = level.is_crowded, False
        try:
            with os.scandir(level.descriptor) as entries:
                for name in (entry.name for entry in entries if entry.name not in level.failed):
                    if time.monotonic() > self._end:
                        raise _OutOfTimeError
                    outcome = self._remove_entry(level, name)
                    has_removed |= outcome is _Outcome.REMOVED
                    if outcome is _Outcome.NOT_EMPTY and not was_crowded:
                        level.pending.append(name)
                    if len(level.pending) == BATCH:
                        break
        except OSError as error:
            self._note(level, "", error)
            return False
        # Some file systems leave out entries when others are removed meanwhile: read again.
        return bool(level.pending) or (has_removed and not was_crowded)

    def _remove_entry(self, level: _Level, name: str) -> _Outcome:
        try:
            mode = os.lstat(name, dir_fd=level.descriptor).st_mode
            remove = os.rmdir if stat.S_ISDIR(mode) else os.unlink
            remove(name, dir_fd=level.descriptor)
        except OSError as error:
            if error.errno in NOT_EMPTY:
                return _Outcome.NOT_EMPTY
            self._note(level, name, error)
            return _Outcome.LEFT
        return _Outcome.REMOVED

    def _leave(self, above: _Level) -> None:
        level = self._levels.pop()
        os.close(level.descriptor)
        if self._keeps_top and not self._levels:
            return
        parent = self._levels[-1] if self._levels else above
        if level.failed:
            self._skip(parent, level.name)  # what is left in it has been noted
        elif self._remove_entry(parent, level.name) is _Outcome.NOT_EMPTY:
            self._note(parent, level.name, OSError(errno.ENOTEMPTY, "not empty"))

    def _note(self, level: _Level, name: str, error: OSError) -> None:
        if error.errno in GONE:
            return
        self._skip(level, name)
        if len(self._failures) == MAX_NAMED:
            self._is_more_left = True
            return
        inner = [known.name for known in self._levels]
        parts = [os.fspath(self._path.parent), *inner, name]
        self._failures.append(_describe("/".join(filter(None, parts)), error))

    @staticmethod
    def _skip(level: _Level, name: str) -> None:
        if len(level.failed) < MAX_FAILURES:
            level.failed.add(name)
        else:
            level.is_crowded = True


def _describe(path: str, error: OSError) -> RemovalFailure:
    name = os.fsencode(path).decode("utf-8", "backslashreplace")
    if len(name) > MAX_PATH:
        name = f"{name[:MAX_PATH]}…"
    return RemovalFailure(name, REMEDIES.get(error.errno or 0, error.strerror or str(error)))
