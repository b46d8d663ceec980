"""Which run of a container a probe has ended, on disk.

Under the policy OnFailure, podman leaves a container stopped that exits with code 0 after that. The
worker starts it again, and may have been restarted in between: the mark is written before the
container is ended, and goes when another run of it is seen.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from flotta.durable_files import read_bounded, write_atomically
from flotta.worker.probes.container_run import ContainerRun

MODE = 0o600
MAX_SIZE = 200  # bytes of a mark: the container's id, and when its process began


def note_end(directory: Path, run: ContainerRun) -> None:
    """Note that a run is being ended; raises OSError."""
    write_atomically(_path_of(directory, run.container), f"{run.id} {run.started}".encode(), MODE)


def was_ended(directory: Path, container: str, container_id: str) -> bool:
    """Tell whether a probe has ended the last run of a container."""
    return _read(directory, container)[:1] == [container_id]


def note_run(directory: Path, run: ContainerRun) -> None:
    """Remove the mark of an earlier run; raises OSError."""
    if _read(directory, run.container) not in ([], [run.id, str(run.started)]):
        _path_of(directory, run.container).unlink(missing_ok=True)


def _path_of(directory: Path, container: str) -> Path:
    return directory / f"ended-{container}"


def _read(directory: Path, container: str) -> list[str]:
    with contextlib.suppress(OSError):
        content = read_bounded(_path_of(directory, container), MAX_SIZE)
        return content.decode(errors="replace").split()
    return []
