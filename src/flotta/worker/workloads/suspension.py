"""Whether all pods are stopped because the device is quarantined, kept across restarts.

A file says so. Each unit has a condition on it (`units`), so that systemd starts no pod at boot
before the worker runs. It names the pods that ran: they are interrupted, and start again afterwards
(`interruptions`; docs/reference/device.md#quarantine).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path

from flotta.durable_files import read_bounded, write_atomically
from flotta.protocol.envelope import decode, encode

MODE = 0o600
MAX_SIZE = 1 << 20  # bytes of the file


class Suspension:
    """The state in memory and on disk; the one in memory counts while the disk cannot be used."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.active = path.exists()
        self.interrupted = set(_read_names(path))

    def begin(self, running: Iterable[str]) -> None:
        """Stop all pods, of which these run; raises OSError when that could not be stored."""
        if not self.active:
            self.interrupted = set(running)
        self.active = True
        if not self.path.exists():
            write_atomically(self.path, encode(sorted(self.interrupted)), MODE)

    def end(self) -> None:
        """Start pods again; raises OSError, and changes nothing, while that is not possible."""
        self.path.unlink(missing_ok=True)
        self.active = False


def _read_names(path: Path) -> list[str]:
    """Return the pods that a file names, none when it cannot be read."""
    with contextlib.suppress(OSError, ValueError):
        return decode(read_bounded(path, MAX_SIZE), list[str])
    return []
