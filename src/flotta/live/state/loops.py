"""A part of a device as a device of its own.

The kernel mounts no partition of a disk that is mounted as a whole, as the ISO is, and wipefs(8)
knows no offset.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from flotta.live.state.block_device import BlockDevice
from flotta.live.state.commands import run
from flotta.live.state.errors import NoState


def attach_loop(device: BlockDevice, offset: int, length: int, *options: str) -> Path:
    """Return a loop device for `length` bytes from `offset` on. Raises NoState."""
    part = f"--offset={offset}", f"--sizelimit={length}"
    done = run("losetup", "--find", "--show", *options, *part, str(device.path))
    return Path(done.stdout.strip())


def detach_loop(node: Path) -> None:
    """Give a loop device back, at once or when it is not mounted any more."""
    with contextlib.suppress(NoState):
        run("losetup", "--detach", str(node))


@contextlib.contextmanager
def readable_part(device: BlockDevice, offset: int, length: int) -> Iterator[Path]:
    """Give a path at which a part can be read; whole devices need nothing. Raises NoState."""
    if (offset, length) == (0, device.size):
        yield device.path
        return
    node = attach_loop(device, offset, length, "--read-only")
    try:
        yield node
    finally:
        detach_loop(node)
