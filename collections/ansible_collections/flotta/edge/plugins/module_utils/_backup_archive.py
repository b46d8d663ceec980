# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
"""What is in an archive of `flotta-apiserver backup`, checked with nothing but the standard library."""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any

LIST = "flotta-backup.json"  # the first member: what is in the archive, with digests
MAX_LIST = 128 * 1024 * 1024  # bytes
CHUNK = 1024 * 1024  # bytes


class ArchiveError(Exception):
    """A file is not a complete backup; the text says why, as the end of a sentence about the file."""


@dataclass(frozen=True)
class Archive:
    """A backup whose files are all there, each as it was written."""

    path: str
    size: int  # bytes
    sha256: str  # of the whole file, hex
    created: str  # RFC 3339
    release: str  # of flotta.edge
    contents: Mapping[str, Mapping[str, int]]  # part -> files and bytes


def read_archive(path: str) -> Archive:
    """Return what an archive is. Raises ArchiveError if it is not a complete backup, OSError if it cannot be read."""
    if not os.path.isfile(path):  # a pipe would be waited for
        raise ArchiveError("is not a regular file")
    try:
        with tarfile.open(path, "r:") as archive:
            listed = _read_list(archive)
            files = {entry["name"]: entry for entry in listed["entries"] if entry.get("sha256")}
            _check_members(archive, dict(files))
        return Archive(
            path=path,
            size=os.stat(path).st_size,
            sha256=_digest(path),
            created=str(listed["created"]),
            release=str(listed["release"]),
            contents=_count_parts(files),
        )
    except (tarfile.TarError, EOFError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ArchiveError("is not a backup of flotta-apiserver, or is damaged") from error


def _read_list(archive: tarfile.TarFile) -> dict[str, Any]:
    member = archive.next()
    file = archive.extractfile(member) if member and member.name == LIST else None
    if member is None or file is None or member.size > MAX_LIST:
        raise ValueError("no list")
    found: dict[str, Any] = json.loads(file.read())
    return found


def _check_members(archive: tarfile.TarFile, missing: dict[str, dict[str, Any]]) -> None:
    """Raise ArchiveError unless the rest of the archive is what the list says."""
    for member in iter(archive.next, None):
        entry, file = missing.pop(member.name, None), archive.extractfile(member)
        if entry is None or file is None:
            raise ArchiveError(f"is damaged: its list does not have {member.name!r}")
        if _digest_of(file) != entry["sha256"]:
            raise ArchiveError(f"is damaged: {member.name} is not as it was written")
    if missing:
        raise ArchiveError(f"is damaged: {', '.join(sorted(missing)[:3])} is missing")


def _digest(path: str) -> str:
    with open(path, "rb") as file:
        return _digest_of(file)


def _digest_of(file: IO[bytes]) -> str:
    digest = hashlib.sha256()
    for chunk in _read_chunks(file):
        digest.update(chunk)
    return digest.hexdigest()


def _read_chunks(file: IO[bytes]) -> Iterator[bytes]:
    return iter(lambda: file.read(CHUNK), b"")


def _count_parts(files: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    """Return how many files and bytes each folder of the archive has."""
    parts: dict[str, dict[str, int]] = {}
    for name in sorted(files):
        part = parts.setdefault(os.path.dirname(name), {"files": 0, "bytes": 0})
        part["files"] += 1
        part["bytes"] += files[name]["size"]
    return parts
