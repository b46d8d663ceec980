"""File systems that the files of workloads are on, remembered so that an absent one is noticed.

A disk that is mounted late at boot, or is broken, leaves an empty directory. Without this, that
looks as if every file had been removed (docs/reference/device.md#file-systems-of-their-own).

Mount points are where the kernel says. The directories may be reached by symbolic links, which are
resolved at each look: what they lead to may be mounted later than they.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from flotta.durable_files import read_bounded, write_atomically
from flotta.mount_points import find_needed, is_within, list_configured, list_mount_points
from flotta.protocol.reasons.device_programs import STATE_NOT_STORED

log = logging.getLogger(__name__)

FILE = "mounts.json"
MAX_FILE = 1 << 20  # bytes
LEARN_INTERVAL = 10.0  # seconds between two looks at what is mounted
MAX_KNOWN = 1000  # mount points that are remembered


class MountRecord(msgspec.Struct):
    """`mounts.json`: mount points at, above or below the directory of the export directories."""

    known: list[str] = []


class KnownMounts:
    """Which mount points the export directories need; without a directory, none.

    `directory` has the export directories and `state_dir` the file that remembers.
    """

    def __init__(
        self,
        directory: Path | None = None,
        state_dir: Path = Path("/"),
        mounted: Callable[[], list[str]] = list_mount_points,
        configured: Callable[[], list[str]] = list_configured,
    ) -> None:
        self._directory = str(directory) if directory else ""
        self._state_dir = str(state_dir)
        self.path = state_dir / FILE
        self._mounted = mounted
        self._configured = configured
        self._stored = self._read() if directory else []
        self._known = set(self._stored)
        self._leaving: set[str] = set()  # export directories of workloads that are removed
        self._learned = -LEARN_INTERVAL  # by the monotonic clock

    def learn(self) -> None:
        """Remember what is mounted now or configured in fstab; an error of the disk is logged."""
        if self._directory:
            places = self._find_places()
            self._known = self._known.union(
                path
                for path in (*self._list_mounted(), *self._configured())
                if self._is_needed(path, places)
            )
            self._learned = time.monotonic()
            self._store()

    def expect_workload(self, workload: str) -> None:
        """Remember mount points of a workload again, which has files here."""
        self._leaving.discard(self._export_of(workload))

    @property
    def known(self) -> tuple[str, ...]:
        """All mount points that are remembered, sorted."""
        return tuple(sorted(self._known))

    def list_absent(self, workload: str) -> list[str]:
        """Return the mount points of a workload at which nothing is mounted now."""
        if time.monotonic() - self._learned > LEARN_INTERVAL:
            self.learn()
        needed = find_needed(self._known, self._export_of(workload))
        if not needed:
            return []
        mounted = set(self._list_mounted())
        return [path for path in needed if path not in mounted]

    def describe_absent(self, workload: str) -> str:
        """Return a sentence about what is not mounted, without a full stop; empty for nothing."""
        absent = self.list_absent(workload)
        return f"{absent[0]} is not mounted; {self.remedy}" if absent else ""

    @property
    def remedy(self) -> str:
        """What to do about a file system that is not mounted."""
        return f"mount it, or remove {self.path} and restart the worker if it is gone for good"

    def forget_workload(self, workload: str) -> None:
        """Forget the mount points inside the export directory of a workload that is removed."""
        export = self._export_of(workload)
        self._leaving.add(export)  # they are mounted until somebody unmounts them
        self._known = {path for path in self._known if not is_within(path, export)}
        self._store()

    def forget_all(self) -> None:
        """Forget everything: the device leaves its fleet."""
        self._known.clear()
        self._stored = []
        with contextlib.suppress(OSError):  # what is left of the state is named elsewhere
            self.path.unlink(missing_ok=True)

    def _export_of(self, workload: str) -> str:
        path = f"{self._directory}/{workload}"
        try:
            return os.path.realpath(path)
        except ValueError:  # of a name that no file can have
            return path

    def _find_places(self) -> list[str]:
        """Return where the export directories are, and the path that leads there."""
        places = [self._directory, os.path.realpath(self._directory)]
        with contextlib.suppress(OSError), os.scandir(self._directory) as entries:
            places += (os.path.realpath(entry) for entry in entries if entry.is_symlink())
        return places

    def _is_needed(self, path: str, places: Iterable[str]) -> bool:
        """Tell whether export directories are on a mount point; those above the state always are.

        Without the file system of the state, there is no worker.
        """
        if any(is_within(path, export) for export in self._leaving):
            return False
        state = os.path.realpath(self._state_dir)
        return any(
            is_within(path, place) or (is_within(place, path) and not is_within(state, path))
            for place in places
        )

    def _list_mounted(self) -> Iterable[str]:
        try:
            return self._mounted()
        except OSError:
            return self._known  # where the system does not say, nothing counts as absent

    def _read(self) -> list[str]:
        try:
            record = msgspec.json.decode(read_bounded(self.path, MAX_FILE), type=MountRecord)
        except (OSError, ValueError):
            return []
        return record.known[:MAX_KNOWN]

    def _store(self) -> None:
        known = sorted(self._known)[:MAX_KNOWN]
        if known == self._stored:
            return
        try:
            write_atomically(self.path, msgspec.json.encode(MountRecord(known)))
        except OSError as error:
            log.error("%s cannot be written: %s [%s]", self.path, error, STATE_NOT_STORED)
        else:
            self._stored = known
