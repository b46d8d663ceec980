"""The last lines that a container wrote before it failed, for the message of its crash."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from flotta.printable_text import cut, printable
from flotta.worker import journal
from flotta.worker.causes import HEX
from flotta.worker.pod_unit.plan import init_pod_of
from flotta.worker.podman import Container
from flotta.worker.workloads.crash_loop import Crashes

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


class _Run(NamedTuple):
    """Which run of a container has failed, between which seconds since 1970.

    podman starts a container again at once, with the same id: what other runs wrote is not why this
    one failed, and would make another message each time.
    """

    container_id: str
    since: float
    until: float


@dataclass
class CrashLogs:
    """Reads the log of a container once for each time that it failed."""

    _read: dict[str, tuple[_Run, str]] = field(default_factory=dict)  # by podman's name

    async def refresh(self, containers: Iterable[Container], crashes: Crashes) -> None:
        """Read the logs of the containers that have failed since the last time."""
        failed = _list_failed(containers, crashes)
        known = {name: text for name, (run, text) in self._read.items() if failed.get(name) == run}
        self._read = {
            name: (run, known[name] if name in known else await read_end(run))
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


async def read_end(run: _Run) -> str:
    """Return the last lines of a run of a container on one line, empty if it wrote none."""
    return clean_lines(
        await journal.read_container_lines(run.container_id, READ, run.since, run.until)
    )


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


def _list_failed(containers: Iterable[Container], crashes: Crashes) -> dict[str, _Run]:
    """Return which run of which container has failed, by podman's name."""
    failed = {
        podman_name(one.workload, one.name, is_init=one.is_init): _Run(
            one.id, one.started_at, math.inf
        )
        for one in containers
        if one.state in ("exited", "stopped") and one.exit_code
    }
    for name, end in crashes.list_last_exits().items():
        failed[podman_name(*name)] = _Run(end.container_id, end.since, end.ended_at)
    return failed
