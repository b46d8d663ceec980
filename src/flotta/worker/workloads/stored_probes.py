"""The probes of a pod on disk, so that the worker still has them after a restart.

They are there for a pod that runs, also while a newer configuration cannot be built.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from flotta.durable_files import read_bounded, write_atomically
from flotta.protocol.json_text import decode_json
from flotta.worker.probes.probe import ContainerProbes

FILE = "probes.json"
MODE = 0o600  # headers may be secret
MAX_SIZE = 4 << 20  # bytes, more than a configuration has for one workload


class StoredProbes(msgspec.Struct, frozen=True):
    """`probes.json`: the probes of the pod with this digest."""

    digest: str = ""
    containers: tuple[ContainerProbes, ...] = ()


def write_probes(directory: Path, digest: str, probes: tuple[ContainerProbes, ...]) -> None:
    """Write the probes of a pod, or remove the file if it has none; raises OSError."""
    path = directory / FILE
    if not probes:
        path.unlink(missing_ok=True)
    else:
        stored = StoredProbes(digest, probes)
        if read_probes(directory) != stored:
            write_atomically(path, msgspec.json.encode(stored), MODE)


def read_probes(directory: Path) -> StoredProbes:
    """Return what is stored, nothing when that is missing or damaged."""
    try:
        return decode_json(read_bounded(directory / FILE, MAX_SIZE), StoredProbes)
    except (OSError, ValueError):
        return StoredProbes()
