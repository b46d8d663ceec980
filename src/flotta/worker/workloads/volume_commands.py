"""What the unit of a pod runs for its volumes before podman, as lines of a drop-in."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import flotta
from flotta.worker.volumes.plan import VolumePlan
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
        first=() if plan.is_empty else (_command("prepare", paths.plan),),
        late=(_command("late", paths.plan),) if plan.is_late else (),
        paths=mounted,
    )


def _command(stage: str, plan: Path) -> str:
    python, packages = find_program()
    places = ":".join([packages, *filter(None, [os.environ.get("PYTHONPATH")])])
    words = (python, "-P", "-m", "flotta.worker.volumes", stage, str(plan))
    return " ".join(["/usr/bin/env", quote(f"PYTHONPATH={places}"), *map(quote, words)])


def find_program(arguments: Sequence[str] = sys.argv) -> tuple[str, str]:
    """Return a Python and the directory with our packages, for a program of another process.

    Where the worker was started through a link that is switched by an upgrade, both lead through
    that link, so that a pod starts with any release.
    """
    packages = Path(flotta.__file__).parent.parent
    environment = Path(sys.prefix)
    started = Path(arguments[0]).parent.parent if arguments else environment
    python = Path("bin") / Path(sys.executable).name
    if started.is_absolute() and _is_same(started, environment) and (started / python).exists():
        if packages.is_relative_to(environment):
            packages = started / packages.relative_to(environment)
        return str(started / python), str(packages)
    return sys.executable, str(packages)


def _is_same(one: Path, other: Path) -> bool:
    return one.exists() and other.exists() and one.samefile(other)


def quote(word: str) -> str:
    """Return a word of a line of a unit (systemd.syntax(7)): a path with any character."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"' if set(escaped) & set(" \t'\"\\;") else escaped
