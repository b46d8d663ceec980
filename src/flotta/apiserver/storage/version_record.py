"""The newest versions that were given, in a file beside the database.

SQLite takes a damaged write-ahead log for one that ends earlier, and a missing one for an empty
one. This file tells that changes are missing, and it keeps versions from being given twice
(docs/reference/resource-api.md#a-damaged-database).
"""

from __future__ import annotations

import logging
import os
import re
from dataclasses import dataclass
from pathlib import Path

from flotta.apiserver.storage.integrity import MAX_VERSION, damaged
from flotta.durable_files import write_atomically

STEP = 10_000  # versions that are promised at once, so that few writes need another fsync
LINE = re.compile(rb"([0-9]{20}) ([0-9]{20})\n")
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Versions:
    """The newest version that clients know, and one that is above all that were given.

    The first is exact unless the power failed, the second survives that, too.
    """

    acknowledged: int
    promised: int


class VersionRecord:
    """The file. A disk that does not take it is logged and does not stop the server."""

    def __init__(self, database: Path) -> None:
        self.path = database.with_name(f"{database.name}.version")
        self._database = database
        self._versions = Versions(0, 0)
        self._failed = False

    def read(self) -> Versions | None:
        """Return what was recorded; None if there is no file, as after an earlier release.

        Raises DamagedDatabaseError if the file has something else, OSError if it cannot be read.
        """
        try:
            with self.path.open("rb") as file:
                match = LINE.fullmatch(file.read(100))
        except FileNotFoundError:
            return None
        found = Versions(*map(int, match.groups())) if match else None
        if found is None or not found.acknowledged <= found.promised <= MAX_VERSION:
            raise damaged(self._database, f"{self.path.name} is not as it was written")
        self._versions = found
        return found

    def settle(self, stored: int, given: int) -> None:
        """Record the newest stored and given version durably: nothing is being written."""
        self._store(Versions(stored, given), durable=True)

    def promise(self, version: int) -> None:
        """Record durably, before a version is given, that it can have been given."""
        if version > self._versions.promised:
            promised = Versions(self._versions.acknowledged, version + STEP)
            self._store(promised, durable=True)

    def acknowledge(self, version: int) -> None:
        """Record a version that is stored; without fsync, which a killed process does not need."""
        if version > self._versions.acknowledged:
            promised = max(version, self._versions.promised)
            self._store(Versions(version, promised), durable=False)

    def _store(self, versions: Versions, *, durable: bool) -> None:
        self._versions = versions
        line = b"%020d %020d\n" % (versions.acknowledged, versions.promised)
        try:
            if self.path.exists():
                self._overwrite(line, durable=durable)
            else:
                write_atomically(self.path, line)
        except OSError as error:
            if not self._failed:
                log.warning("%s cannot be written (%s): check its disk", self.path, error)
            self._failed = True

    def _overwrite(self, line: bytes, *, durable: bool) -> None:
        # In its place: that needs no room on a full disk. It is shorter than a sector.
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.pwrite(descriptor, line, 0)
            if durable:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
