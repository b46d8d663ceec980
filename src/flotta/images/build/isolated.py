"""Programs that end with the program that started them, with all their children and mounts.

Each runs in a mount and a PID namespace of its own. Its first process is killed when the program
that started it ends, however it ends, and with that process the kernel ends the namespace
(pid_namespaces(7)): a build that is killed leaves directories and nothing that runs or is mounted.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from flotta.images.errors import ImageError
from flotta.protocol.reasons.images import NO_SPACE, TOOL_FAILED, TOOL_MISSING

LAST_LINES = 12  # of what a program said when it failed
NAMESPACES = (
    "setpriv",
    "--pdeathsig=KILL",
    "unshare",
    "--mount",
    "--pid",
    "--fork",
    "--kill-child=KILL",
    "--propagation=private",
)
# Debian's package for each program, and how others call it.
SOURCES = {
    "mmdebstrap": "mmdebstrap",
    "apt-get": "apt",
    "dpkg-deb": "dpkg",
    "mksquashfs": "squashfs-tools",
    "xorriso": "xorriso",
    "mformat": "mtools",
    "mmd": "mtools",
    "mcopy": "mtools",
    "setpriv": "util-linux",
    "unshare": "util-linux",
    "tar": "tar",
}
FULL = b"No space left on device"


def require_tools(names: Sequence[str]) -> None:
    """Raise ImageError that names every program that is not installed, with its package."""
    missing = [name for name in names if shutil.which(name) is None]
    if missing:
        packages = sorted({SOURCES[name] for name in missing})
        raise ImageError(
            TOOL_MISSING,
            f"This machine does not have {', '.join(missing)}, which the build needs. Install "
            f"the package{'s'[: len(packages) > 1]} {', '.join(packages)} (names of Debian).",
        )


def require_root() -> None:
    """Raise ImageError for other users than root: packages cannot be installed by them."""
    if os.geteuid() != 0:
        raise ImageError(
            TOOL_FAILED,
            "A base image is built by root, because packages have files of several users. Run it "
            "with sudo or become. Personalising needs no such right.",
        )


def run_isolated(
    command: Sequence[str],
    *,
    root: Path | None = None,
    environment: Mapping[str, str] | None = None,
    output: IO[bytes] | None = None,
) -> None:
    """Run a program to its end, below `root` if it is given; its output goes to `output`.

    Raises ImageError with its last lines when it fails.
    """
    inside = [f"--root={root}", "--wd=/", "--mount-proc"] if root else []
    line = [*NAMESPACES, *inside, "--", *command]
    surroundings = {**_environment(), **(environment or {})}
    done = subprocess.run(
        line,
        stdin=subprocess.DEVNULL,
        stdout=output or subprocess.PIPE,
        stderr=subprocess.PIPE if output else subprocess.STDOUT,
        env=surroundings,
        check=False,
    )
    if done.returncode != 0:
        raise _failure(command[0], done.returncode, (done.stderr if output else done.stdout) or b"")


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")}
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return {"PATH": path, "LC_ALL": "C.UTF-8", "HOME": "/root", **kept}


def _failure(program: str, status: int, said: bytes) -> ImageError:
    lines = said.decode(errors="replace").strip().splitlines()[-LAST_LINES:]
    name = Path(program).name
    if FULL in said:
        return ImageError(
            NO_SPACE,
            f"The disk became full while {name} ran. Free space beside the image, or write it to "
            "another file system. Nothing was left behind.",
        )
    return ImageError(
        TOOL_FAILED,
        f"{name} failed with status {status}, and nothing was left behind. Do what it says: "
        + " | ".join(lines),
    )
