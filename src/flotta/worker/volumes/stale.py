"""Removing the directories of volumes that a pod does not have any more."""

from __future__ import annotations

import os
from collections.abc import Set
from pathlib import Path

from flotta.tree_removal import RemovalFailure, remove_tree
from flotta.worker.volumes.mounts import remove_mount
from flotta.worker.volumes.plan import VolumePlan


def remove_stale(plan: VolumePlan, scratch: Path, mounts: Path) -> list[RemovalFailure]:
    """Remove what an earlier definition of a running pod had and `plan` has not.

    `scratch` has the directories of emptyDirs on disk, `mounts` the mount points. Returns what is
    left.
    """
    directories = {directory.path for directory in plan.scratch}
    targets = {sub_path.target for sub_path in plan.sub_paths}
    targets |= {directory.path for directory in plan.memory}
    left: list[RemovalFailure] = []
    for path in _list_others(scratch, directories):
        left += remove_tree(path)
    for path in _list_others(mounts, targets):
        left += remove_mount(path)
    return left


def _list_others(directory: Path, known: Set[str]) -> list[Path]:
    try:
        names = os.listdir(directory)
    except FileNotFoundError:
        return []
    return [directory / name for name in sorted(names) if str(directory / name) not in known]
