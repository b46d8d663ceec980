"""podman's volumes and images, by its command line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypedDict

from flotta.tree_removal import RemovalFailure
from flotta.worker.podman import COMMAND_TIMEOUT, extract_cause
from flotta.worker.processes import NOT_FOUND, run


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
