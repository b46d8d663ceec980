"""What the unit of a pod runs for its volumes before podman, as lines of a drop-in."""

from __future__ import annotations

from dataclasses import dataclass

from flotta.worker.volumes.plan import VolumePlan
from flotta.worker.workloads.unit_lines import render_command
from flotta.worker.workloads.workload_paths import WorkloadPaths


@dataclass(frozen=True)
class Preparation:
    """Command lines before and after the init containers, and paths that must be mounted."""

    first: tuple[str, ...] = ()
    late: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()


NOTHING = Preparation()


def render_preparation(plan: VolumePlan, paths: WorkloadPaths) -> Preparation:
    """Return what a pod needs before it starts.

    A file system that is mounted late is waited for: a pod that starts before would write into the
    directory below the mount.
    """
    mounted = (str(paths.export), str(paths.directory))
    return Preparation(
        first=()
        if plan.is_empty
        else (render_command("flotta.worker.volumes", "prepare", str(paths.plan)),),
        late=(render_command("flotta.worker.volumes", "late", str(paths.plan)),)
        if plan.is_late
        else (),
        paths=mounted,
    )
