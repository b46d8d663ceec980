"""Pods that the worker has stopped before they had finished, remembered on disk.

A pod with `restartPolicy` `Never` or `OnFailure` that is stopped looks as if it had finished, and
would not be started again. The mark stays until the pod runs again, whatever happens to the worker
in between.
"""

from __future__ import annotations

import contextlib
import logging

import msgspec

from flotta.durable_files import read_bounded, write_atomically
from flotta.protocol.reasons.device_programs import STATE_NOT_STORED
from flotta.worker.workloads.files import WorkloadFiles

log = logging.getLogger(__name__)

MODE = 0o600
MAX_SIZE = 4096  # bytes of a mark


class Interruption(msgspec.Struct, frozen=True):
    """Why a pod was stopped. One that is `final` is not started again, and says so by `message`."""

    message: str = ""
    final: bool = False


TO_BE_STARTED = Interruption()


class Interruptions:
    """The pods that are to be started again although they seem to have finished."""

    def __init__(self, files: WorkloadFiles) -> None:
        self._files = files
        self._known: dict[str, Interruption] = {}

    @property
    def workloads(self) -> set[str]:
        """Those that are to be started again."""
        return {name for name, known in self._known.items() if not known.final}

    def load(self) -> dict[str, str]:
        """Read what an earlier run of the worker noted; return the messages of the final ones."""
        for name in self._files.list_installed():
            with contextlib.suppress(OSError, ValueError):
                content = read_bounded(self._files.paths_of(name).interruption, MAX_SIZE)
                self._known.setdefault(name, msgspec.json.decode(content, type=Interruption))
        return {name: known.message for name, known in self._known.items() if known.final}

    def note(self, name: str, interruption: Interruption = TO_BE_STARTED) -> None:
        """Note that a pod is being stopped; while the disk cannot be written, in memory."""
        self._known[name] = interruption
        path = self._files.paths_of(name).interruption
        try:
            write_atomically(path, msgspec.json.encode(interruption), MODE)
        except OSError as error:
            log.warning("%s cannot be written: %s [%s]", path, error, STATE_NOT_STORED)

    def clear_all(self) -> None:
        """Forget every pod: all are removed."""
        for name in list(self._known):
            self.clear(name)

    def clear(self, name: str) -> None:
        """Note that a pod runs again, is another one, or is removed."""
        self._known.pop(name, None)
        with contextlib.suppress(OSError):  # where it cannot be removed, the pod starts once more
            self._files.paths_of(name).interruption.unlink(missing_ok=True)
