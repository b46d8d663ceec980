"""The thread that makes changes durable: one transaction for everything that waits when it starts.

So thousands of heartbeats need few syncs of the disk, and each is answered after its own.
"""

from __future__ import annotations

import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from flotta.configuration_api.database import transaction

T = TypeVar("T")
MOST = 200  # jobs in a transaction


@dataclass(frozen=True)
class _Job(Generic[T]):
    """Something to write, and who waits for it."""

    work: Callable[[sqlite3.Connection], T]
    done: Future[T] = field(default_factory=Future)


class Writer:
    """Owns the connection that writes."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._queue: queue.SimpleQueue[_Job[object] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="writer")

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def submit(self, work: Callable[[sqlite3.Connection], T]) -> Future[T]:
        """Return the future of what `work` returns; it is resolved when all of it is durable.

        It fails with what `work` raises, of which nothing is stored, or with DatabaseError.
        """
        job = _Job(work)
        self._queue.put(job)  # type: ignore[arg-type]
        return job.done

    def stop(self) -> None:
        """Write what waits, then end."""
        self._queue.put(None)
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        running = True
        while running:
            batch, running = self._next_batch()
            wanted = [job for job in batch if job.done.set_running_or_notify_cancel()]
            if wanted:
                self._write(wanted)

    def _next_batch(self) -> tuple[list[_Job[object]], bool]:
        batch: list[_Job[object]] = []
        job = self._queue.get()
        while job is not None:
            batch.append(job)
            if len(batch) == MOST or self._queue.empty():
                return batch, True
            job = self._queue.get()
        return batch, False

    def _write(self, batch: list[_Job[object]]) -> None:
        results: list[tuple[_Job[object], object]] = []
        refused: list[tuple[_Job[object], Exception]] = []
        try:
            with transaction(self._connection) as connection:
                for job in batch:
                    try:
                        results.append((job, _carry_out(connection, job)))
                    except sqlite3.Error:
                        raise
                    except Exception as error:  # one job must not take the others with it
                        refused.append((job, error))
        except Exception as error:  # whatever happened, all that wait must be told
            for job in batch:
                job.done.set_exception(error)
            return
        for job, result in results:
            job.done.set_result(result)
        for job, refusal in refused:
            job.done.set_exception(refusal)


def _carry_out(connection: sqlite3.Connection, job: _Job[object]) -> object:
    """Do one of several jobs, of which nothing remains when it is refused."""
    connection.execute("SAVEPOINT job")
    try:
        return job.work(connection)
    except Exception:  # raised again
        if connection.in_transaction:
            connection.execute("ROLLBACK TO job")
        raise
    finally:
        if connection.in_transaction:  # a full disk may have ended the whole
            connection.execute("RELEASE job")
