"""What this device is, as far as its pods are told: podman's version and what they can use."""

from __future__ import annotations

import os
import re
from pathlib import Path

from flotta.worker.hardware.machine import read_memory
from flotta.worker.podman import COMMAND_TIMEOUT
from flotta.worker.processes import run
from flotta.worker.workloads.pod_facts import OLDEST_PODMAN, DeviceFacts, PodmanVersion

MEBIBYTE = 1 << 20  # bytes


async def read_device_facts(volumes_dir: Path, root: Path = Path("/")) -> DeviceFacts:
    """Return the facts of this device, with an empty id: the gateway knows that."""
    return DeviceFacts(
        podman_version=await read_podman_version(),
        cpus=os.cpu_count() or 1,
        # Whole MiB, because a value of a pod that changes makes another pod.
        memory=(read_memory(root).usable_bytes or 0) // MEBIBYTE * MEBIBYTE,
        storage=_read_capacity(volumes_dir),
    )


async def read_podman_version() -> PodmanVersion:
    """Return podman's version, `OLDEST_PODMAN` when there is none that can be read."""
    done = await run("podman", "--version", timeout=COMMAND_TIMEOUT)
    return parse_podman_version(done.out.decode(errors="replace")) if done.ok else OLDEST_PODMAN


def parse_podman_version(text: str) -> PodmanVersion:
    """Read what `podman --version` prints, such as `podman version 5.4.2` or `… 5.0.0-rc1`."""
    found = re.search(r"\b(\d{1,5})\.(\d{1,5})(?:\.(\d{1,5}))?", text)
    if found is None:
        return OLDEST_PODMAN
    major, minor, patch = (int(number or 0) for number in found.groups())
    return major, minor, patch


def _read_capacity(directory: Path) -> int:
    """Return the bytes of the file system that a directory is on or will be on."""
    while not directory.exists() and directory != directory.parent:
        directory = directory.parent
    try:
        found = os.statvfs(directory)
    except OSError:
        return 0
    return found.f_blocks * found.f_frsize
