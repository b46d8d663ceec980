"""The one place that touches export directories; containers may write anything there.

Every component is opened relative to its parent's descriptor without following links, so a symbolic
link planted by a container is never read or written through, even when it is swapped in meanwhile.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from flotta.sync.model import FileStat, Skipped
from flotta.sync.paths import SPOOL_NAME

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK: a FIFO that takes the place of a file between lstat and open must not block.
FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
MAX_DEPTH = 64  # directories below each other
KINDS = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a character device",
    stat.S_IFBLK: "a block device",
    stat.S_IFDIR: "a directory",
}


def file_stat(found: os.stat_result) -> FileStat:
    """Return the part of a stat result that is remembered."""
    return FileStat(found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)


def describe_kind(mode: int) -> str:
    """Return what a file mode is, in words."""
    return KINDS.get(stat.S_IFMT(mode), "not a regular file")


@contextmanager
def open_directory(root: Path, path: str, *, create: bool = False) -> Iterator[int]:
    """Yield a descriptor of directory `path` below `root`; OSError if a component is a link.

    With `create`, missing directories are made with mode 0755, durably, the root included.
    """
    if create:
        root.mkdir(mode=0o755, parents=True, exist_ok=True)
    current = os.open(root, DIRECTORY)
    try:
        for part in filter(None, path.split("/")):
            following = _open_child(current, part, create=create)
            os.close(current)
            current = following
        yield current
    finally:
        os.close(current)


def _open_child(parent: int, name: str, *, create: bool) -> int:
    try:
        return os.open(name, DIRECTORY, dir_fd=parent)
    except FileNotFoundError:
        if not create:
            raise
    with suppress(FileExistsError):  # another transfer made it meanwhile
        os.mkdir(name, 0o755, dir_fd=parent)
    made = os.open(name, DIRECTORY, dir_fd=parent)
    os.fchmod(made, 0o755)  # whatever the umask of the process
    os.fsync(parent)
    return made


@contextmanager
def open_file(root: Path, path: str) -> Iterator[int]:
    """Yield a descriptor of regular file `path` below `root`; OSError if it is anything else."""
    folder, _, name = path.rpartition("/")
    with open_directory(root, folder) as parent:
        descriptor = os.open(name, FILE, dir_fd=parent)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, f"is {describe_kind(os.fstat(descriptor).st_mode)}", path)
        yield descriptor
    finally:
        os.close(descriptor)


def stat_path(root: Path, path: str) -> os.stat_result | None:
    """Return lstat of `path` below `root`, following no link, or None if it does not exist."""
    folder, _, name = path.rpartition("/")
    try:
        with open_directory(root, folder) as parent:
            return os.lstat(name, dir_fd=parent) if name else os.fstat(parent)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if error.errno == errno.ELOOP:
            return None
        raise


def walk(
    root: Path,
    source: str,
    skipped: Callable[[Skipped], None],
    entered: Callable[[int], None] = lambda _: None,
    visited: Callable[[], None] = lambda: None,
) -> Iterator[tuple[str, FileStat]]:
    """Yield path relative to `source` and stat of every regular file below it.

    `entered` gets the descriptor of each directory before it is read. `visited` is called for each
    entry of any kind, and may raise an error that ends the walk. A missing source yields nothing.
    Entries that are neither file nor directory, and names that are not UTF-8, go to
    `skipped` with their path relative to `root`.
    """
    try:
        with open_directory(root, source) as descriptor:
            yield from _Walk(source, skipped, entered, visited).walk_directory(descriptor, "", 0)
    except FileNotFoundError:
        return
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.ENOTDIR):
            raise
        skipped(
            Skipped(source, "leads through a symbolic link or something that is not a directory")
        )


@dataclass
class _Walk:
    source: str
    skipped: Callable[[Skipped], None]
    entered: Callable[[int], None]
    visited: Callable[[], None]

    def walk_directory(
        self, directory: int, path: str, depth: int
    ) -> Iterator[tuple[str, FileStat]]:
        if depth > MAX_DEPTH:
            self._skip(path, f"is deeper than {MAX_DEPTH} directories")
            return
        self.entered(directory)
        with os.scandir(directory) as entries:
            for entry in entries:
                self.visited()
                yield from self._visit_entry(directory, entry, _join_path(path, entry.name), depth)

    def _visit_entry(
        self, parent: int, entry: os.DirEntry[str], path: str, depth: int
    ) -> Iterator[tuple[str, FileStat]]:
        if entry.name == SPOOL_NAME:
            return
        if not _is_utf8(entry.name):
            self._skip(
                os.fsencode(path).decode("utf-8", "backslashreplace"), "the name is not UTF-8"
            )
            return
        try:
            yield from self._yield_files(parent, entry, path, depth)
        except FileNotFoundError:
            return
        except OSError as error:
            self._skip(path, error.strerror or str(error))

    def _yield_files(
        self, parent: int, entry: os.DirEntry[str], path: str, depth: int
    ) -> Iterator[tuple[str, FileStat]]:
        found = entry.stat(follow_symlinks=False)
        if stat.S_ISREG(found.st_mode):
            yield path, file_stat(found)
        elif stat.S_ISDIR(found.st_mode):
            child = os.open(entry.name, DIRECTORY, dir_fd=parent)
            try:
                yield from self.walk_directory(child, path, depth + 1)
            finally:
                os.close(child)
        else:
            self._skip(path, f"is {describe_kind(found.st_mode)}")

    def _skip(self, path: str, reason: str) -> None:
        self.skipped(Skipped(_join_path(self.source, path), reason))


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _join_path(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder and name else folder or name


def move_into_place(
    finished: Path | str, root: Path, path: str, source: int | None = None
) -> FileStat:
    """Move a finished, fsynced file to `path` below `root` in one durable rename.

    A relative `finished` is in the directory with the descriptor `source`.
    """
    folder, _, name = path.rpartition("/")
    with open_directory(root, folder, create=True) as parent:
        existing = _lstat(parent, name)
        if existing is not None and stat.S_ISDIR(existing.st_mode):
            raise IsADirectoryError(errno.EISDIR, "is a directory on the device", path)
        os.rename(finished, name, src_dir_fd=source, dst_dir_fd=parent)
        os.fsync(parent)
        return file_stat(os.lstat(name, dir_fd=parent))


def _lstat(parent: int, name: str) -> os.stat_result | None:
    try:
        return os.lstat(name, dir_fd=parent)
    except FileNotFoundError:
        return None
