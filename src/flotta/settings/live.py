"""Settings of the live system, which its own initramfs and unit give."""

from __future__ import annotations

from pathlib import Path

from flotta.settings.setting import FilePath, Flag, Words

MEDIUM = FilePath(
    help="Block device that the machine has booted from.", flag="--medium", required=True
)
IN_DOUBT = Flag(
    help="Whether the machine may have booted from another medium; then no medium gets state.",
    default=False,
    flag="--medium-in-doubt",
)
ROOT = FilePath(help="Root of the system.", default=Path("/"), flag="--root")

OUTPUT = Words(
    help="Terminal that shows the state of the device; repeatable. Without any, the state is "
    "printed once.",
    flag="--output",
)

LIVE_CONSOLE = (OUTPUT, ROOT)
LIVE_PREPARE = (MEDIUM, IN_DOUBT, ROOT)
