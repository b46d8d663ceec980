"""One run of a container: from the start of its main process to the end of it.

A container keeps its id when podman starts it again; its process is another one.
"""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass
from pathlib import Path

from flotta.worker.podman import Container

TICKS = os.sysconf("SC_CLK_TCK")  # a second
PARENT = 1  # of what follows the name in /proc/PID/stat: field 4 of proc(5)
START_TIME = 19  # the same, field 22


@dataclass(frozen=True)
class ContainerRun:
    """Which container of which workload, its main process, and when that began.

    `started` is in ticks since boot: no clock that is set makes a container older.
    """

    workload: str
    container: str
    id: str
    pid: int
    started: int

    @property
    def age(self) -> float:
        """Seconds since it began."""
        return time.clock_gettime(time.CLOCK_BOOTTIME) - self.started / TICKS

    @property
    def is_alive(self) -> bool:
        """Whether its process still exists, and is not another one with its number."""
        return read_start_time(self.pid) == self.started


def find_run(seen: Container) -> ContainerRun | None:
    """Return the run of a container that podman lists as running, None when it has ended.

    The number of its process may be another one's by now: only a child of the container's own
    conmon is taken for it.
    """
    started = read_start_time(seen.pid)
    if started is None or seen.id.encode() not in _read_parent_command(seen.pid):
        return None
    return ContainerRun(seen.workload, seen.name, seen.id, seen.pid, started)


def _read_parent_command(pid: int) -> bytes:
    with contextlib.suppress(OSError, ValueError, IndexError):
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        return Path(f"/proc/{int(fields[PARENT])}/cmdline").read_bytes()
    return b""


def read_start_time(pid: int) -> int | None:
    """Return when a process began, in ticks since boot; None for one that has ended."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        return None if fields[0] in "ZX" else int(fields[START_TIME])
    return None
