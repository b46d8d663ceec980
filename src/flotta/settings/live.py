"""Settings of the live system, which its own initramfs and unit give."""

from __future__ import annotations

from pathlib import Path

from flotta.settings.setting import FilePath

MEDIUM = FilePath(
    help="Block device that the machine has booted from.", flag="--medium", required=True
)
ROOT = FilePath(help="Root of the system that is prepared.", default=Path("/"), flag="--root")

LIVE_PREPARE = (MEDIUM, ROOT)
