"""What the unit of a pod runs for its volumes before podman, as lines of a drop-in."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from flotta.worker.volumes.plan import VolumePlan
from flotta.worker.workloads.unit_lines import quote, render_command
from flotta.worker.workloads.workload_paths import WorkloadPaths


@dataclass(frozen=True)
class Preparation:
    """Command lines before and after the init containers, and paths that must be mounted."""

    first: tuple[str, ...] = ()
    late: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()


NOTHING = Preparation()


def render_preparation(
    plan: VolumePlan, paths: WorkloadPaths, mounts: Sequence[str] = ()
) -> Preparation:
    """Return what a pod needs before it starts; `mounts` are the mount points of its files.

    A file system that is mounted late is waited for: a pod that starts before would write into the
    directory below the mount. systemd waits for those that it mounts itself; the others are looked
    for at each start, and a start that fails is repeated.
    """
    # systemd compares paths as text, so it needs those that symbolic links lead to as well.
    directories = [str(paths.export), str(paths.directory)]
    mounted = dict.fromkeys([*directories, *map(os.path.realpath, directories), *mounts])
    return Preparation(
        first=(
            *(_check_mount(path) for path in mounts),
            *(
                ()
                if plan.is_empty
                else (render_command("flotta.worker.volumes", "prepare", str(paths.plan)),)
            ),
        ),
        late=(render_command("flotta.worker.volumes", "late", str(paths.plan)),)
        if plan.is_late
        else (),
        paths=tuple(mounted),
    )


def _check_mount(path: str) -> str:
    script = 'mountpoint -q -- "$$1" || { echo "Error: $$1 is not mounted" >&2; exit 1; }'
    return f"/bin/sh -c '{script}' sh {quote(path)}"
