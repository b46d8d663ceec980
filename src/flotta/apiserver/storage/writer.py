"""The thread that makes changes durable: it writes a queue, one transaction at a time."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass

from flotta.apiserver.storage.database import Database, EventRow

log = logging.getLogger(__name__)

MAX_BATCH = 500  # commits in one transaction


@dataclass(frozen=True)
class Commit:
    """Changes that become durable together.

    `epoch` groups commits that are based on each other: when one fails, the later ones of its
    epoch fail, too. `done` is called in the writer thread with None or the error.
    """

    epoch: int
    rows: tuple[EventRow, ...]
    done: Callable[[Exception | None], None]


class Writer:
    """Group commit: a transaction takes everything that waits when it starts."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._queue: queue.SimpleQueue[Commit | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._broken_epoch = -1
        self.forget_before = 0

    def start(self) -> None:
        """Start the thread."""
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
            self._write([commit for commit in batch if self._is_sound(commit)])

    def _next_batch(self) -> tuple[list[Commit], bool]:
        first = self._queue.get()
        if first is None:
            return [], False
        batch = [first]
        while len(batch) < MAX_BATCH:
            try:
                commit = self._queue.get_nowait()
            except queue.Empty:
                break
            if commit is None:
                return batch, False
            batch.append(commit)
        return batch, True

    def _is_sound(self, commit: Commit) -> bool:
        if commit.epoch != self._broken_epoch:
            return True
        commit.done(RuntimeError("an earlier change could not be stored"))
        return False

    def _write(self, batch: list[Commit]) -> None:
        if not batch:
            return
        rows = [row for commit in batch for row in commit.rows]
        failure: Exception | None = None
        try:
            self._database.write(rows, self.forget_before)
        except Exception as error:  # whatever happened, all that wait must be notified
            log.exception("Storing %d changes failed", len(rows))
            failure = error
            self._broken_epoch = batch[-1].epoch
        for commit in batch:
            commit.done(failure)
