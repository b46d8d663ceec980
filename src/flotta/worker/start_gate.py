"""Keeps podman from starting one container, also from starting it again by its policy.

podman starts a container again as soon as it has ended, several times a second, and `podman stop`
does nothing for one that has ended just now. Before each start podman removes the container's
`config.json` and writes it again, and it gives up if it cannot. So a directory in this place that
is not empty keeps the container stopped: tried with podman 4.3. It goes with the container.
"""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

CONFIG = "config.json"
ASIDE = "config.json.flotta"
ATTEMPTS = 5  # podman may write the file at the same moment


def close_gate(bundle: Path) -> bool:
    """Keep the container with this bundle from starting; return whether that is so now."""
    for _ in range(ATTEMPTS):
        with contextlib.suppress(OSError):
            if not (bundle / CONFIG).is_dir():
                _put_directory(bundle)
            return True
    return False


def _put_directory(bundle: Path) -> None:
    aside = bundle / ASIDE
    aside.mkdir(exist_ok=True)
    (aside / "held").touch()  # podman would remove an empty directory
    with contextlib.suppress(FileNotFoundError):
        (bundle / CONFIG).rename(aside / CONFIG)
    aside.rename(bundle / CONFIG)


def open_gate(bundle: Path) -> None:
    """Let the container start again; raises OSError."""
    config, aside = bundle / CONFIG, bundle / ASIDE
    if not config.is_dir():
        return
    config.rename(aside)
    with contextlib.suppress(FileNotFoundError):
        (aside / CONFIG).rename(config)
    shutil.rmtree(aside)
