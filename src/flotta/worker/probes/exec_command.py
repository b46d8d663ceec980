"""exec: a command in the container, by the OCI runtime itself.

`podman exec` takes several times the CPU time (bench/probes.py). The command gets what the
container's own program has: user, capabilities, environment, working directory, cgroup and limits.
Nobody reads its output, so that a command that never ends to write costs the worker nothing.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from flotta.durable_files import read_bounded
from flotta.worker.capabilities import read_own
from flotta.worker.causes import clean_cause
from flotta.worker.podman import Placement
from flotta.worker.probes.probe import Exec, ProbeFailed, ProbeImpossible
from flotta.worker.processes import run_unread

MAX_CONFIG = 4 << 20  # bytes of a container's configuration
MAX_LOG = 4096  # bytes of what the runtime itself says that are read
NOT_EXECUTABLE = re.compile(rb"executable file|not found|[Nn]o such file|[Pp]ermission denied")
# crun's log begins each line with it, and would else have another problem each time.
TIME = re.compile(
    r"^\s*(?:time=)?\"?\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:?\d\d)?\"?:?\s*", re.MULTILINE
)
MAX_WORD = 40  # characters of a command in a message


class _Process(msgspec.Struct):
    """What is changed of a process; its other fields are passed on as they are."""

    capabilities: dict[str, list[str]] = {}


class _Configuration(msgspec.Struct):
    """What is read of `config.json` (OCI runtime specification, config.md)."""

    process: dict[str, object]


async def run_command(action: Exec, container_id: str, place: Placement) -> None:
    """Run the command in a container; raises ProbeFailed, or ProbeImpossible for the runtime's.

    Ends the command when it is cancelled.
    """
    process = _describe_process(place.config, action.command)
    with _memory_file(process) as described, _memory_file() as log:
        files = f"--log=/proc/self/fd/{log}", f"--process=/proc/self/fd/{described}"
        argv = (place.runtime, files[0], "exec", files[1], container_id)
        status = await run_unread(*argv, keep=(log, described))
        said = os.pread(log, MAX_LOG, 0)
    if status is None:
        raise ProbeImpossible(f"{place.runtime} cannot be run")
    if status != 0:
        raise _explain(action, status, said)


def _describe_process(config: str, command: tuple[str, ...]) -> bytes:
    """Return the process for the runtime: the container's own with another command.

    Without that, the runtime runs it as root, with capabilities that the container does not have.
    It fails for those that the worker cannot pass on: a privileged container has all of them.
    """
    try:
        content = read_bounded(Path(config), MAX_CONFIG)
        process = msgspec.json.decode(content, type=_Configuration).process
    except (OSError, ValueError) as error:
        raise ProbeImpossible("the configuration of the container cannot be read") from error
    process.pop("consoleSize", None)
    own = read_own()
    sets = msgspec.convert(process, _Process).capabilities
    shared = {kind: [name for name in names if name in own] for kind, names in sets.items()}
    changes = {"args": command, "terminal": False, "capabilities": shared}
    return msgspec.json.encode({**process, **changes})


@contextlib.contextmanager
def _memory_file(content: bytes = b"") -> Iterator[int]:
    """Yield the descriptor of a file that exists nowhere else."""
    try:
        descriptor = os.memfd_create("probe")
    except OSError as error:
        raise ProbeImpossible(f"no file in memory: {error.strerror}") from error
    try:
        os.write(descriptor, content)
        yield descriptor
    finally:
        os.close(descriptor)


def _explain(action: Exec, status: int, said: bytes) -> Exception:
    """Return the error for an exit status: the command's, unless the runtime said something."""
    if not said:
        return ProbeFailed(f"exit code {status}")
    if NOT_EXECUTABLE.search(said) and b"/status" not in said:
        return ProbeFailed(f"{action.command[0][:MAX_WORD]!r} cannot be run in the container")
    return ProbeImpossible(clean_cause(TIME.sub("", said.decode(errors="replace")), {}))
