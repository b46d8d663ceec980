"""The last lines that a container wrote before it failed, for the message of its crash."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from flotta.printable_text import cut, printable
from flotta.worker import journal
from flotta.worker.causes import HEX
from flotta.worker.pod_unit.plan import init_pod_of
from flotta.worker.podman import Container
from flotta.worker.workloads.crash_loop import ContainerName, Crashes

READ = 10  # lines that are read of a log
SHOWN = 3  # lines that a message has
MAX_LINE = 120  # characters
ANSI = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07]*\x07|[@-_])")
# What differs in each run: times at the beginning of a line, addresses in memory, UUIDs.
TIME = re.compile(
    r"^\W?(?:time=)?\W?(?:"
    r"\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d\S*"
    r"|[A-Z][a-z]{2} +\d+ \d\d:\d\d:\d\d\S*"
    r"|[IWEF]\d{4} \d\d:\d\d:\d\d\.\d+ +\d+"
    r"|\d\d:\d\d:\d\d\S*"
    r")\s*"
)
ADDRESS = re.compile(r"\b0x[0-9a-f]+", re.IGNORECASE)
UUID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", re.IGNORECASE)


@dataclass
class CrashLogs:
    """Reads the log of a container once for each time that it failed."""

    _read: dict[str, tuple[object, str]] = field(default_factory=dict)  # by podman's name

    async def refresh(self, containers: Iterable[Container], crashes: Crashes) -> None:
        """Read the logs of the containers that have failed since the last time."""
        failed = _list_failed(containers, crashes)
        known = {name: text for name, (run, text) in self._read.items() if failed.get(name) == run}
        self._read = {
            name: (run, known[name] if name in known else await read_end(name))
            for name, run in failed.items()
        }

    def of_pod(self, pod: str) -> dict[str, str]:
        """Return the ends of logs by container of a pod, without empty ones."""
        found = {name: text for name, (_, text) in self._read.items() if text}
        prefix = f"{pod}-"
        return {n.removeprefix(prefix): text for n, text in found.items() if n.startswith(prefix)}


def podman_name(workload: str, container: str, *, is_init: bool = False) -> str:
    """Return what podman calls a container of a workload."""
    return f"{init_pod_of(workload) if is_init else workload}-{container}"


async def read_end(name: str) -> str:
    """Return the last lines of a container's log on one line, empty if it has none."""
    return clean_lines(await journal.read_container_lines(name, READ))


def clean_lines(lines: Iterable[str]) -> str:
    """Return the last lines of a log on one line, without what only a terminal needs."""
    cleaned = [clean_line(line) for line in lines]
    return " | ".join([line for line in cleaned if line][-SHOWN:])


def clean_line(line: str) -> str:
    """Return one line of a log, printable and without what differs in each run."""
    text = TIME.sub("", ANSI.sub("", line).strip())
    for pattern in (UUID, ADDRESS, HEX):
        text = pattern.sub("…", text)
    return cut(printable(" ".join(text.split()), MAX_LINE), MAX_LINE)


def _list_failed(containers: Iterable[Container], crashes: Crashes) -> dict[str, object]:
    """Return which run of which container has failed, by podman's name."""
    failed: dict[str, object] = {
        podman_name(one.workload, one.name, is_init=one.is_init): (one.id, one.started_at)
        for one in containers
        if one.state in ("exited", "stopped") and one.exit_code
    }
    for name in crashes.list_crashed():
        failed[podman_name(*name)] = _count(crashes, name)
    return failed


def _count(crashes: Crashes, name: ContainerName) -> object:
    return [
        crash for crash in crashes.list_crashes(name.workload) if crash.container == name.container
    ]
