"""Files that a device keeps making, and its state by the API, while something else happens."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from e2e.site import VOLUMES, Site

MAKE_FILES = (
    "systemd-run --quiet --collect --unit=e2e-files sh -c "
    "'n=0; while :; do n=$((n+1)); head -c 20000 /dev/urandom > {path}/{prefix}-$n; sleep 1; done'"
)
DEVICES = ("till-1", "camera-1")


@dataclass
class Traffic:
    """What was seen: each state of Ready with its device, and the names of the files made."""

    prefix: str
    states: list[tuple[str, str]] = field(default_factory=list)
    files: set[str] = field(default_factory=set)

    @property
    def lapses(self) -> list[tuple[str, str]]:
        """Every look at a device that was not ready."""
        return [state for state in self.states if state[1] != "True"]


@contextmanager
def traffic(site: Site, prefix: str) -> Iterator[Traffic]:
    """Let the till make a file every second, and look at both devices all the time."""
    seen, over, path = Traffic(prefix), threading.Event(), f"{VOLUMES}/os-stats/stats"
    watching = threading.Thread(target=_watch, args=(site, seen, over))
    site.till.run(MAKE_FILES.format(path=path, prefix=prefix))
    watching.start()
    try:
        yield seen
    finally:
        over.set()
        watching.join()
        site.till.run("systemctl stop e2e-files")
        seen.files |= set(site.till.run(f"cd {path} && ls -d {prefix}-*").split())


def _watch(site: Site, seen: Traffic, over: threading.Event) -> None:
    while not over.wait(0.5):
        for device in DEVICES:
            try:
                seen.states.append((device, site.ready(device)))
            # The API itself may be away: then nobody knows.
            except (AssertionError, subprocess.SubprocessError):
                time.sleep(0.5)
