"""The thread that makes changes durable: it writes a queue, one transaction at a time.

On a full disk it gives up the reserve, writes what is essential and refuses the rest until the
reserve fits on the disk again.
"""

from __future__ import annotations

import logging
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from flotta.apiserver.storage.database import (
    FREE_BYTES,
    ChangeRow,
    Database,
    FullDiskError,
)
from flotta.apiserver.storage.reserve import Reserve

log = logging.getLogger(__name__)

MAX_BATCH = 500  # commits in one transaction
MAX_BATCH_BYTES = 2 * 1024 * 1024  # of objects in one transaction, if there is more than one
FULL_STEPS = 32  # by which the database shrinks after each deletion on a full disk
FULL_DISK = (
    "the disk of the database is full: free room on it, or delete objects, which is still possible"
)

Place = tuple[str, str, str]


@dataclass(frozen=True)
class Commit:
    """A change that becomes durable as a whole.

    `epoch` groups commits that are based on each other: when one fails, the later ones of its
    epoch fail, too. An `essential` one is based on the same object only. `done` is called in the
    writer thread with None or the error.
    """

    epoch: int
    row: ChangeRow
    done: Callable[[Exception | None], None]
    essential: bool = False

    @property
    def place(self) -> Place:
        """Resource, namespace and name of the object."""
        return self.row.resource, self.row.namespace, self.row.name

    @property
    def size(self) -> int:
        """The bytes that are written to the tables."""
        return len(self.row.body or b"") + len(self.row.previous or b"")


class Writer:
    """Group commit: a transaction takes everything that waits when it starts."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._reserve = Reserve(database.path)
        self._queue: queue.SimpleQueue[Commit | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._broken_epoch = -1
        self._broken: set[Place] = set()
        self._full = False
        self.forget_before = 0

    def start(self) -> None:
        """Start the thread."""
        if not self._reserve.make():
            self._note_full("there is no room for the reserve")
        self._thread.start()

    def submit(self, commit: Commit) -> None:
        """Queue a commit; its `done` is called when it is durable or has failed."""
        self._queue.put(commit)

    def stop(self) -> None:
        """Write what is queued, then end the thread."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        running = True
        while running:
            batch, running = self._next_batch()
            sound = [commit for commit in batch if self._is_sound(commit)]
            if sound:
                self._write(sound)

    def _next_batch(self) -> tuple[list[Commit], bool]:
        first = self._queue.get()
        if first is None:
            return [], False
        batch, size = [first], first.size
        while len(batch) < MAX_BATCH and size < MAX_BATCH_BYTES:
            try:
                commit = self._queue.get_nowait()
            except queue.Empty:
                break
            if commit is None:
                return batch, False
            batch.append(commit)
            size += commit.size
        return batch, True

    def _is_sound(self, commit: Commit) -> bool:
        """Tell whether no failed change is beneath this one; refuse it otherwise."""
        if commit.epoch != self._broken_epoch:
            return True
        if commit.essential and commit.place not in self._broken:
            return True
        self._broken.add(commit.place)
        commit.done(RuntimeError("an earlier change could not be stored"))
        return False

    def _write(self, batch: list[Commit]) -> None:
        if self._full and not self._regain_room():
            self._write_essential(batch)
            return
        try:
            self._database.write([commit.row for commit in batch], self.forget_before)
        except FullDiskError as error:
            self._note_full(str(error))
            self._write_essential(batch)
        except Exception as error:  # whatever happened, all that wait must be notified
            log.exception("Storing %d changes failed", len(batch))
            self._refuse(batch, error)
        else:
            _confirm(batch)
            self._shrink()

    def _write_essential(self, batch: list[Commit]) -> None:
        """Store the essential changes of a batch on a full disk; refuse the others."""
        kept, refused, broken = [], [], set[Place]()
        for commit in batch:
            if commit.essential and commit.place not in broken:
                kept.append(commit)
            else:
                refused.append(commit)
                broken.add(commit.place)
        error = self._store_without_history(kept)
        # What succeeded is reported first: new changes must be based on it.
        if error is None:
            _confirm(kept)
            self._shrink(above=0, steps=FULL_STEPS)
        else:
            refused = batch
        if refused:
            self._refuse(refused, error or FullDiskError(FULL_DISK))

    def _store_without_history(self, commits: list[Commit]) -> Exception | None:
        try:
            rows = [commit.row for commit in commits]
            self._database.write(rows, self.forget_before, history=False)
        except FullDiskError:
            return FullDiskError(FULL_DISK)
        except sqlite3.Error as error:
            log.exception("Storing %d changes failed", len(commits))
            return error
        return None

    def _shrink(self, above: int = FREE_BYTES, steps: int = 1) -> None:
        try:
            self._database.shrink(above, steps)
        except sqlite3.Error as error:  # everything is stored; the next change tries it again
            log.debug("The database could not shrink: %s", error)

    def _refuse(self, batch: list[Commit], error: Exception) -> None:
        epoch = batch[-1].epoch
        if epoch != self._broken_epoch:
            self._broken = set()
        self._broken_epoch = epoch
        self._broken.update(commit.place for commit in batch)
        for commit in batch:
            commit.done(error)

    def _note_full(self, why: str) -> None:
        self._full = True
        self._reserve.give_up()
        log.error("Writes are refused (%s): %s", why, FULL_DISK)

    def _regain_room(self) -> bool:
        """Return whether the disk has room again, for the reserve and so for everything."""
        self._full = not self._reserve.make()
        if not self._full:
            log.info("The disk of the database has room again; all writes are accepted")
        return not self._full


def _confirm(batch: Iterable[Commit]) -> None:
    for commit in batch:
        commit.done(None)
