"""Removing what a pod had on the device before it was started with its present files.

A container that runs has these files and volumes mounted: they go when no pod uses them any more,
not when their successors are written.
"""

from __future__ import annotations

import contextlib

from flotta.tree_removal import remove_tree
from flotta.worker.volumes.stale import remove_stale
from flotta.worker.workloads.manifest import Pod
from flotta.worker.workloads.workload_paths import WorkloadPaths


def remove_stale_parts(pod: Pod, paths: WorkloadPaths) -> None:
    """Remove the files and volumes of a workload that its pod, which exists, does not have.

    What is left is removed with the workload.
    """
    with contextlib.suppress(OSError):
        remove_stale(pod.volumes.plan, paths.scratch, paths.mounts)
        _remove_old_files(pod, paths)


def _remove_old_files(pod: Pod, paths: WorkloadPaths) -> None:
    wanted = {folder.parts[1] for folder in pod.volumes.folders}
    with contextlib.suppress(FileNotFoundError):
        for folder in (paths.directory / "files").iterdir():
            if folder.name not in wanted:
                remove_tree(folder)
