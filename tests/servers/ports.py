"""Ports for the servers of tests, each handed out once on this machine, by any number of processes.

The kernel gives clients the ports from 32768 on, and Kubernetes gives Services those from 30000 on.
A free port there may be taken before the server that it was chosen for listens, or while that
server is down. So tests count upwards through the ports below these.
"""

from __future__ import annotations

import fcntl
import os
import random
import socket
import tempfile
from pathlib import Path

FIRST, COUNT = 20000, 10000


def free_port() -> int:
    """Return a loopback port that no test got recently and no program listens on."""
    while True:
        port = FIRST + _next() % COUNT
        with socket.socket() as sock:
            try:
                sock.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port


def _next() -> int:
    """Return the next number of a counter that all processes of this user share."""
    path = Path(tempfile.gettempdir()) / f"flotta-test-ports.{os.getuid()}"
    with path.open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        text = file.read()
        number = int(text) + 1 if text else random.randrange(COUNT)
        file.truncate(0)
        file.write(str(number))
    return number
