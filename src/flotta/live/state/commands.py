"""Programs of util-linux and e2fsprogs, as they are run before systemd."""

from __future__ import annotations

import os
import subprocess

from flotta.live.state.errors import NoState
from flotta.protocol.reasons.live import STATE_FAILED

PATH = "/usr/sbin:/usr/bin:/sbin:/bin"  # the initramfs has a path of its own
ENVIRONMENT = {"PATH": PATH, "LC_ALL": "C", "BLKID_FILE": os.devnull}
TIMEOUT = 900.0  # seconds; making or checking a large file system on a slow stick takes minutes
MAX_OUTPUT = 300  # characters of what a program said


def run(*command: str, accept: tuple[int, ...] = (0,)) -> subprocess.CompletedProcess[str]:
    """Run a program and return what it said.

    Raises NoState when it is missing, does not end in time or ends with a status that is not in
    `accept`.
    """
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=TIMEOUT,
            stdin=subprocess.DEVNULL,
            env=ENVIRONMENT,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoState(STATE_FAILED, f"{command[0]} could not be run: {error}.") from error
    if done.returncode not in accept:
        said = " ".join((done.stderr or done.stdout).split())[-MAX_OUTPUT:]
        raise NoState(STATE_FAILED, f"{command[0]} failed ({done.returncode}): {said}")
    return done
