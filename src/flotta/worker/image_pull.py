"""The download of an image, which leaves the reserve of the disk free.

podman has no limit of its own: it fills the disk, and then no pod can write any more. So the free
space is looked at before a download and during it (docs/reference/device.md#free-disk-space).
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from flotta.disk_reserve import ReserveReached, check_room
from flotta.protocol.reasons.workloads import DISK_RESERVE_REACHED, IMAGE_PULL_FAILED
from flotta.tree_removal import remove_tree
from flotta.worker.causes import extract_cause
from flotta.worker.errors import WorkloadError
from flotta.worker.podman import COMMAND_TIMEOUT
from flotta.worker.processes import ProcessResult, run

PULL_TIMEOUT = 2 * 3600.0  # seconds for one image, on slow links too
LOOK = 1.0  # seconds between two looks at the free space
PREFIX = "flotta-pull-"
STORAGE = Path("/var/lib/containers/storage")  # unless podman says where it is
DOWNLOADS = Path("/var/tmp")  # noqa: S108 - where podman keeps layers until they are unpacked


async def pull_image(image: str, auth_file: Path | None) -> None:
    """Fetch an image.

    Raises WorkloadError: ImagePullFailed with podman's message, DiskReserveReached when the image
    would leave too little room.
    """
    auth = ["--authfile", str(auth_file)] if auth_file else []
    try:
        async with _pull_directory() as directory:
            done = await _run_with_room(
                (directory, await _find_storage()),
                *("podman", "pull", "-q", *auth, "--", image),
                temporary=directory,
            )
    except ReserveReached as error:
        raise WorkloadError(
            DISK_RESERVE_REACHED, f"image {image} is not pulled: {error.sentence}"
        ) from error
    if not done.ok:
        raise WorkloadError(
            IMAGE_PULL_FAILED,
            f"image {image} cannot be pulled: {extract_cause(done.err.splitlines())}",
        )


@contextlib.asynccontextmanager
async def _pull_directory() -> AsyncIterator[Path]:
    """Yield a directory for what podman downloads: one that is killed leaves that behind."""
    await asyncio.to_thread(_remove_left_behind)
    directory = Path(tempfile.mkdtemp(prefix=PREFIX, dir=DOWNLOADS))
    try:
        yield directory
    finally:
        await asyncio.to_thread(remove_tree, directory)


def _remove_left_behind() -> None:
    """Remove what a worker that was killed has left, and nothing that may still be in use."""
    for directory in DOWNLOADS.glob(f"{PREFIX}*"):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - directory.lstat().st_mtime > 2 * PULL_TIMEOUT:
                remove_tree(directory)


async def _find_storage() -> Path:
    """Return where podman unpacks images."""
    argv = ("podman", "info", "--format", "{{.Store.GraphRoot}}")
    found = (await run(*argv, timeout=COMMAND_TIMEOUT)).out.decode(errors="replace").strip()
    return Path(found) if found.startswith("/") else STORAGE


async def _run_with_room(places: Sequence[Path], *argv: str, temporary: Path) -> ProcessResult:
    """Run a program while each place has room, and kill it when one has not.

    Raises ReserveReached.
    """
    for place in places:
        check_room(place)
    environment = {"TMPDIR": str(temporary)}
    work = asyncio.create_task(run(*argv, timeout=PULL_TIMEOUT, environment=environment))
    try:
        while not (await asyncio.wait((work,), timeout=LOOK))[0]:
            for place in places:
                check_room(place)
        return work.result()
    finally:
        work.cancel()
        await asyncio.wait((work,))
