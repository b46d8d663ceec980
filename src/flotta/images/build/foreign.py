"""Programs of another architecture than this machine's, run by QEMU's user mode."""

from __future__ import annotations

import shutil
from pathlib import Path

from flotta.images.build.architectures import Architecture, native_architecture
from flotta.images.errors import ImageError
from flotta.protocol.reasons.images import TOOL_MISSING

BINFMT = Path("/proc/sys/fs/binfmt_misc")  # Documentation/admin-guide/binfmt-misc.rst


def require_runnable(architecture: Architecture, registered: Path = BINFMT) -> None:
    """Raise ImageError when programs of the architecture do not run on this machine.

    The kernel has to open the emulator when it is registered (flag F): it is not in the chroot.
    """
    if architecture.name == native_architecture():
        return
    if shutil.which("arch-test") and _is_enabled(registered, architecture):  # mmdebstrap asks it
        return
    raise ImageError(
        TOOL_MISSING,
        f"Programs for {architecture.name} do not run on this machine. Install the packages "
        "qemu-user-static, binfmt-support and arch-test (names of Debian), or build the image on "
        "a machine of that architecture.",
    )


def _is_enabled(registered: Path, architecture: Architecture) -> bool:
    try:
        lines = (registered / f"qemu-{architecture.machine}").read_text().splitlines()
    except OSError:
        return False
    return "enabled" in lines and any(line.startswith("flags:") and "F" in line for line in lines)
