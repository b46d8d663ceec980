"""podman's volumes and images, by its command line."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, TypedDict

from flotta.durable_files import read_bounded
from flotta.tree_removal import RemovalFailure
from flotta.worker.causes import extract_cause
from flotta.worker.podman import COMMAND_TIMEOUT
from flotta.worker.processes import NOT_FOUND, run
from flotta.worker.volumes.safe_paths import BASE, name_of, open_beneath

PASSWD = PurePosixPath("etc/passwd")
MAX_PASSWD = 1 << 20  # bytes


@dataclass(frozen=True)
class StoredVolume:
    """A named volume; `is_plain` is one as podman makes it for a claim, without any option."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    is_plain: bool = True


@dataclass(frozen=True)
class StoredImage:
    """An image in local storage, and the names that it has."""

    id: str
    tags: frozenset[str] = frozenset()


class _VolumeEntry(TypedDict, total=False):
    """What is read of an entry of `podman volume ls --format json`."""

    Name: str
    Driver: str
    Labels: dict[str, str] | None
    Options: dict[str, str] | None
    Anonymous: bool


async def list_volumes() -> list[StoredVolume] | None:
    """Return podman's volumes; None when its output is unusable."""
    done = await run("podman", "volume", "ls", "--format", "json", timeout=COMMAND_TIMEOUT)
    if done.status == NOT_FOUND:
        return []
    if not done.ok:
        return None
    try:
        return [_parse_volume(entry) for entry in json.loads(done.out or b"[]") or []]
    except (ValueError, KeyError, TypeError):
        return None


def _parse_volume(entry: _VolumeEntry) -> StoredVolume:
    labels = dict(entry.get("Labels") or {})
    special = labels or entry.get("Options") or entry.get("Anonymous")
    return StoredVolume(entry["Name"], labels, not special and entry.get("Driver") == "local")


async def remove_volume(name: str) -> list[RemovalFailure]:
    """Remove a volume that no container uses; return why it is left."""
    done = await run("podman", "volume", "rm", "--", name, timeout=COMMAND_TIMEOUT)
    if done.ok or "no such volume" in done.err:
        return []
    return [RemovalFailure(f"podman's volume {name}", extract_cause(done.err.splitlines()))]


async def find_image(name: str) -> StoredImage | None:
    """Return the image that a name or id stands for; None for one that is not in storage."""
    argv = ("podman", "image", "inspect", "--format", "json", "--", name)
    done = await run(*argv, timeout=COMMAND_TIMEOUT)
    if not done.ok:
        return None
    try:
        [found] = json.loads(done.out)
        return StoredImage(found["Id"], frozenset(_names_of(found)))
    except (ValueError, KeyError, TypeError):
        return None


def _names_of(image: Mapping[str, Any]) -> list[str]:
    return image.get("RepoTags") or []


async def remove_image(name: str) -> bool:
    """Remove a name of an image, with its last name the image; tell whether that worked.

    podman refuses it for an image that a container uses.
    """
    return (await run("podman", "image", "rm", "--", name, timeout=COMMAND_TIMEOUT)).ok


async def find_user_id(image: str, name: str) -> int | None:
    """Return the id of a user of an image, by its number or its line in `/etc/passwd`.

    None for one that the image does not have, and for an image that is not in storage.
    """
    if name.isascii() and name.isdecimal():
        return int(name)
    mounted = await run("podman", "image", "mount", "--", image, timeout=COMMAND_TIMEOUT)
    if not mounted.ok:
        return None
    try:
        root = mounted.out.decode(errors="surrogateescape").strip()
        return _find_in_passwd(_read_passwd(Path(root)), name)
    finally:
        await run("podman", "image", "unmount", "--", image, timeout=COMMAND_TIMEOUT)


def _read_passwd(root: Path) -> str:
    """Return an image's list of users; a link, which could lead to the host's, counts as none."""
    try:
        base = os.open(root, BASE)
        try:
            with open_beneath(base, PASSWD) as found:
                return read_bounded(Path(name_of(found)), MAX_PASSWD).decode(errors="replace")
        finally:
            os.close(base)
    except OSError:
        return ""


def _find_in_passwd(text: str, name: str) -> int | None:
    for fields in (line.split(":") for line in text.splitlines()):
        if fields[0] == name and len(fields) > 2 and fields[2].isdecimal():
            return int(fields[2])
    return None
