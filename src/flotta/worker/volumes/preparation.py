"""Carrying out the plan of a pod's volumes, before podman creates its containers.

Runs as root in the pod's unit, on every start, so everything can be repeated. What a container
may have put into a volume is met on the way: `safe_paths`.
"""

from __future__ import annotations

import contextlib
import os
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from flotta.worker.volumes.host_paths import find_mismatch
from flotta.worker.volumes.mounts import (
    OPEN_TO_ALL,
    make_private_directory,
    mount_memory,
    mount_open,
)
from flotta.worker.volumes.ownership import give_to_group
from flotta.worker.volumes.plan import Claim, HostPathType, SubPath, VolumePlan
from flotta.worker.volumes.safe_paths import BASE, make_directory, open_beneath

PODMAN_TIMEOUT = 120.0  # seconds for a command of podman
NAMESPACE_LABEL = "project-flotta.io/namespace"
CLAIM_LABEL = "project-flotta.io/claim"


class PreparationError(Exception):
    """A volume cannot be prepared; the text is a sentence that names it."""


def prepare_volumes(plan: VolumePlan) -> None:
    """Make and mount everything that must exist before the pod's first container.

    Raises PreparationError.
    """
    for host_path in plan.host_paths:
        _check_host_path(host_path)
    for scratch in plan.scratch:
        with _naming(scratch.name):
            _make_scratch(Path(scratch.path))
    for memory in plan.memory:
        with _naming(memory.name):
            mount_memory(Path(memory.path), memory.size)
    claims = {claim.volume: _find_or_create(claim, plan.group) for claim in plan.claims}
    _give_to_group(plan, claims)
    for sub_path in plan.sub_paths:
        if sub_path.first:
            _mount_sub_path(sub_path, claims)


def mount_late_paths(plan: VolumePlan) -> None:
    """Mount the paths inside volumes that regular containers use.

    Init containers have run by now, which may have made them. Raises PreparationError.
    """
    late = [sub_path for sub_path in plan.sub_paths if not sub_path.first]
    used = {sub_path.claim for sub_path in late}
    claims = {
        claim.volume: _find_or_create(claim, plan.group)
        for claim in plan.claims
        if claim.volume in used
    }
    for sub_path in late:
        _mount_sub_path(sub_path, claims)


def _check_host_path(host_path: HostPathType) -> None:
    with _naming(host_path.volume):
        if problem := find_mismatch(host_path):
            raise PreparationError(f'volume "{host_path.volume}": {problem}')


def _make_scratch(path: Path) -> None:
    """Make the directory of an emptyDir; one that exists keeps its mode, which may be a pod's."""
    make_private_directory(path.parent)
    with contextlib.suppress(FileExistsError):
        make_directory(path, OPEN_TO_ALL)


def _find_or_create(claim: Claim, group: int | None) -> Path:
    """Return where podman keeps the files of a claim; raises PreparationError."""
    # podman also finds a volume whose name only begins with this one.
    inspect = ("volume", "inspect", "--format", "{{.Name}} {{.Mountpoint}}", "--", claim.volume)
    found = _run_podman(*inspect)
    if not found.stdout.startswith(f"{claim.volume} "):
        # With an owner, podman does not give the volume to the first container's user.
        owner = ["--opt", f"o=uid=0,gid={group}"] if group is not None else []
        labels = f"{NAMESPACE_LABEL}={claim.namespace}", f"{CLAIM_LABEL}={claim.name}"
        options = [option for label in labels for option in ("--label", label)]
        _run_podman("volume", "create", *options, *owner, "--", claim.volume)
        found = _run_podman(*inspect)
    name, _, place = found.stdout.rstrip("\n").partition(" ")
    if name != claim.volume or not place.startswith("/"):
        cause = (found.stderr.strip().splitlines() or ["podman gave no reason"])[-1]
        raise PreparationError(f'claim "{claim.name}": {cause.removeprefix("Error: ")}')
    return Path(place)


def _run_podman(*arguments: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            ["podman", *arguments],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PODMAN_TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PreparationError(f"podman cannot be run: {error}") from error


def _give_to_group(plan: VolumePlan, claims: dict[str, Path]) -> None:
    if plan.group is None:
        return
    trees = [
        *((scratch.name, Path(scratch.path)) for scratch in plan.scratch),
        *((memory.name, Path(memory.path)) for memory in plan.memory),
        *((claim.name, claims[claim.volume]) for claim in plan.claims),
        *((path, Path(path)) for path in plan.shared),
    ]
    for name, path in trees:
        with _naming(name):
            give_to_group(path, plan.group, on_mismatch=plan.on_mismatch)


def _mount_sub_path(sub_path: SubPath, claims: dict[str, Path]) -> None:
    base = claims[sub_path.claim] if sub_path.claim else Path(sub_path.base)
    with _naming(sub_path.volume, sub_path.path):
        if sub_path.make_base:
            base.mkdir(mode=0o755, parents=True, exist_ok=True)
        directory = os.open(base, BASE)
        try:
            mode = stat.S_IMODE(os.fstat(directory).st_mode) & 0o777
            path = PurePosixPath(sub_path.path)
            with open_beneath(directory, path, make_mode=mode) as found:
                mount_open(found, Path(sub_path.target))
        finally:
            os.close(directory)


@contextmanager
def _naming(volume: str, path: str = "") -> Iterator[None]:
    """Raise PreparationError with the volume's name for an OSError."""
    try:
        yield
    except OSError as error:
        where = f'volume "{volume}"' + (f': path "{path}"' if path else "")
        raise PreparationError(f"{where}: {error.strerror or error}") from error
