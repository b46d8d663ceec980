"""`workload.json`: which pod the files beside it describe, and what a removal must know."""

from __future__ import annotations

from pathlib import Path

import msgspec

from flotta.durable_files import read_bounded, write_atomically
from flotta.protocol.json_text import decode_json
from flotta.protocol.models import KEEP, DataConfiguration

FORMAT = 6  # version of the unit settings; another one rewrites them without a restart
RECORD = "workload.json"
MAX_RECORD = 1 << 20  # bytes


class WorkloadRecord(msgspec.Struct):
    """What is installed of a workload; without a digest, nothing that may start.

    `rendering` says how the unit gets the pod (`Pod.rendering`). `restart_policy` is the pod's,
    empty in records of earlier releases. `mounts` are the file systems that its unit waits for.
    """

    digest: str = ""
    data: DataConfiguration | None = None
    format: int = 0
    rendering: str = ""
    restart_policy: str = ""
    mounts: list[str] = []

    @property
    def is_kept(self) -> bool:
        """Whether the files of the workload stay when it is removed."""
        return self.data is not None and self.data.is_kept


def find_record(directory: Path) -> WorkloadRecord | None:
    """Return the record in a workload's directory, None if it is missing or cannot be read."""
    try:
        return decode_json(read_bounded(directory / RECORD, MAX_RECORD), WorkloadRecord)
    except (OSError, ValueError):
        return None


def read_record(directory: Path) -> WorkloadRecord:
    """Return the record; one that cannot be read has no digest, so that it is written again."""
    return find_record(directory) or WorkloadRecord()


def read_last_record(directory: Path) -> WorkloadRecord:
    """Return the record for a removal: nobody knows what a damaged one said, so files stay."""
    found = find_record(directory)
    if found is None and (directory / RECORD).exists():
        return WorkloadRecord(data=DataConfiguration(retention=KEEP))
    return found or WorkloadRecord()


def write_record(directory: Path, record: WorkloadRecord) -> None:
    """Write the record, unless it is the same; raises OSError."""
    if find_record(directory) != record:
        write_atomically(directory / RECORD, msgspec.json.encode(record))
