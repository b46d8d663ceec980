"""exec: a command in the container, by the OCI runtime itself.

`podman exec` takes several times the CPU time (bench/probes.py). The command gets what the
container's own program has: user, environment, working directory, cgroup and limits. Nobody reads
its output, so that a command that never ends to write costs the worker nothing.
"""

from __future__ import annotations

import os
import re

from flotta.worker.causes import clean_cause
from flotta.worker.probes.probe import Exec, ProbeFailed, ProbeImpossible
from flotta.worker.processes import run_unread

MAX_LOG = 4096  # bytes of what the runtime itself says that are read
NOT_EXECUTABLE = re.compile(rb"executable file|not found|[Nn]o such file|[Pp]ermission denied")
# crun's log begins each line with it, and would else have another problem each time.
TIME = re.compile(
    r"^\s*(?:time=)?\"?\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:?\d\d)?\"?:?\s*", re.MULTILINE
)
MAX_WORD = 40  # characters of a command in a message


async def run_command(action: Exec, container_id: str, runtime: str) -> None:
    """Run the command in a container; raises ProbeFailed, or ProbeImpossible for the runtime's.

    `runtime` is the program that runs the container, as podman names it. Ends the command when it
    is cancelled.
    """
    try:
        log = os.memfd_create("oci-runtime-log")
    except OSError as error:
        raise ProbeImpossible(f"{runtime} cannot be run: {error.strerror}") from error
    try:
        argv = [runtime, f"--log=/proc/self/fd/{log}", "exec", container_id, *action.command]
        status = await run_unread(*argv, keep=(log,))
        said = os.pread(log, MAX_LOG, 0)
    finally:
        os.close(log)
    if status is None:
        raise ProbeImpossible(f"{runtime} cannot be run")
    if status != 0:
        raise _explain(action, status, said)


def _explain(action: Exec, status: int, said: bytes) -> Exception:
    """Return the error for an exit status: the command's, unless the runtime said something."""
    if not said:
        return ProbeFailed(f"exit code {status}")
    if NOT_EXECUTABLE.search(said) and b"/status" not in said:
        return ProbeFailed(f"{action.command[0][:MAX_WORD]!r} cannot be run in the container")
    return ProbeImpossible(clean_cause(TIME.sub("", said.decode(errors="replace")), {}))
