"""The prober with real processes: what it asks, when it ends one, and what it says."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from flotta.token_bucket import TokenBucket
from flotta.worker import podman
from flotta.worker.podman import Container, Placement
from flotta.worker.probes import prober as prober_module
from flotta.worker.probes import watch as watch_module
from flotta.worker.probes.container_run import ContainerRun
from flotta.worker.probes.probe import ContainerProbes, Exec, Probe, TcpSocket
from flotta.worker.probes.prober import Prober, Probes
from flotta.worker.probes.readiness import Readiness
from flotta.worker.probes.slots import SLOTS, Slots
from waiting import eventually

ID = "c" * 64
RUNTIME = f"""#!{sys.executable} -SE
import json, os, sys
log, process = (word.partition("=")[2] for word in (sys.argv[1], sys.argv[3]))
command = json.load(open(process))["args"]
if command == ["broken"]:
    print("cannot join cgroup", file=open(log, "w"))
    sys.exit(1)
os.execvp(command[0], command)
"""


@dataclass
class Pods:
    """One pod `web` with a container `main`, and what the prober said of it."""

    probes: ContainerProbes | None = None
    may_end_now: bool = True
    refused: int = 0
    ended: list[str] = field(default_factory=list)
    failures: int = 0  # of the next hooks
    runs: list[ContainerRun] = field(default_factory=list)

    def read_probes(self, workload: str, digest: str) -> Probes:
        return {"main": self.probes} if self.probes and digest == "digest" else {}

    def may_end(self, run: ContainerRun) -> bool:
        self.refused += not self.may_end_now
        return self.may_end_now

    def will_end(self, run: ContainerRun, message: str) -> None:
        self.ended.append(message)

    def note_run(self, run: ContainerRun) -> None:
        self.runs.append(run)

    async def prepare_end(self, run: ContainerRun, grace: float) -> float:
        if self.failures:
            self.failures -= 1
            raise OSError("no descriptors")
        return grace


class Process:
    """The main process of a container, with a parent that is called like its conmon."""

    def __init__(self, script: str = "sleep 1000") -> None:
        self.parent = subprocess.Popen(
            ["sh", "-c", 'sh -c "$1" & echo $!; wait', "conmon", script, "-c", ID],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.parent.stdout is not None
        self.pid = int(self.parent.stdout.readline())

    @property
    def container(self) -> Container:
        return Container(ID, "main", "web", "digest", "running", 0, 1, self.pid)

    @property
    def has_ended(self) -> bool:
        return self.parent.poll() is not None

    def end(self) -> None:
        subprocess.run(["kill", "-9", str(self.pid)], check=False, capture_output=True)
        self.parent.kill()
        self.parent.wait()


@pytest.fixture
def process() -> Iterator[Process]:
    started = Process()
    yield started
    started.end()


@pytest.fixture
def pods() -> Pods:
    return Pods()


@pytest.fixture
async def prober(
    pods: Pods, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Prober]:
    runtime = tmp_path / "runtime"
    runtime.write_text(RUNTIME)
    runtime.chmod(0o755)
    config = tmp_path / "config.json"
    config.write_text('{"process": {"args": ["main"], "cwd": "/"}}')

    async def place_containers(ids: Iterable[str]) -> dict[str, Placement]:
        return {id_: Placement("127.0.0.1", str(runtime), str(config)) for id_ in ids}

    monkeypatch.setattr(podman, "place_containers", place_containers)
    monkeypatch.setattr(prober_module, "RETRY", 0.05)
    started = Prober(pods, lambda: None)
    # What runs already is as old as the prober: this counts as having begun before it.
    started._born -= 1000
    task = asyncio.create_task(started.run())
    yield started
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def command(script: str, **numbers: int) -> Probe:
    return Probe(action=Exec(("sh", "-c", script)), period=0, timeout=60, **numbers)


def probing(**probes: Probe) -> ContainerProbes:
    return ContainerProbes(container="main", grace=60, **probes)


async def test_a_container_is_ended_after_as_many_failures_as_the_threshold(
    prober: Prober, pods: Pods, process: Process, tmp_path: Path
) -> None:
    script = f"echo >>{tmp_path}/asked; exit 7"
    pods.probes = probing(liveness=command(script, failure_threshold=3))
    prober.observe([process.container])
    await eventually(lambda: process.has_ended)
    assert len((tmp_path / "asked").read_text().splitlines()) == 3
    assert pods.ended == ["container \"main\" failed its liveness probe: command 'sh': exit code 7"]


async def test_one_that_ignores_its_stop_signal_is_killed_after_the_probes_grace(
    prober: Prober, pods: Pods
) -> None:
    process = Process("trap '' TERM; while :; do sleep 1000; done")
    pods.probes = probing(startup=command("exit 1", failure_threshold=1, grace=1))
    try:
        prober.observe([process.container])
        await eventually(lambda: process.has_ended)
        assert "failed its startup probe" in pods.ended[0]
    finally:
        process.end()


async def test_liveness_and_readiness_wait_for_the_startup_probe(
    prober: Prober, pods: Pods, process: Process, tmp_path: Path
) -> None:
    started, asked = tmp_path / "started", tmp_path / "asked"
    late = command(f"echo >>{asked}; exit 1", failure_threshold=1)
    pods.probes = probing(
        startup=command(f"echo >>{asked}.startup; test -e {started}", failure_threshold=1000),
        liveness=late,
        readiness=command("exit 0"),
    )
    prober.observe([process.container])
    message = "container \"main\" is not ready: startup probe: command 'sh': exit code 1"
    await eventually(lambda: prober.readiness_of("web") == Readiness(False, message))
    assert not asked.exists()
    started.touch()
    await eventually(lambda: process.has_ended)
    assert "failed its liveness probe" in pods.ended[0]


async def test_readiness_follows_its_probe_and_ends_nothing(
    prober: Prober, pods: Pods, process: Process, tmp_path: Path
) -> None:
    ready = tmp_path / "ready"
    pods.probes = probing(readiness=command(f"test -e {ready}", failure_threshold=2))
    prober.observe([process.container])
    cause = "readiness probe: command 'sh': exit code 1"
    await eventually(lambda: cause in prober.readiness_of("web").message)
    ready.touch()
    await eventually(lambda: prober.readiness_of("web") == Readiness(True))
    ready.unlink()
    await eventually(lambda: prober.readiness_of("web").ready is False)
    assert (pods.ended, process.has_ended) == ([], False)


async def test_a_container_without_such_a_probe_has_no_readiness(
    prober: Prober, pods: Pods, process: Process, tmp_path: Path
) -> None:
    asked = tmp_path / "asked"
    pods.probes = probing(liveness=command(f"touch {asked}"))
    prober.observe([process.container])
    await eventually(asked.exists)
    assert prober.readiness_of("web") == Readiness(None)


async def test_of_what_ran_before_the_worker_nothing_is_known_until_it_is_asked(
    prober: Prober, pods: Pods, process: Process
) -> None:
    prober._born += 2000
    never = Probe(action=TcpSocket(1), initial_delay=1000)
    pods.probes = probing(readiness=never)
    prober.observe([process.container])
    await eventually(lambda: prober._watches)
    assert prober.readiness_of("web") == Readiness(None)


async def test_what_is_new_is_not_ready_before_it_is_asked(
    prober: Prober, pods: Pods, process: Process
) -> None:
    pods.probes = probing(readiness=Probe(action=TcpSocket(1), initial_delay=1000))
    prober.observe([process.container])
    cause = "its readiness probe has not passed yet"
    await eventually(lambda: cause in prober.readiness_of("web").message)
    assert prober.readiness_of("web").ready is False


async def test_a_new_container_is_not_ready_as_soon_as_it_is_seen(
    prober: Prober, pods: Pods, process: Process
) -> None:
    """The report that a pod runs is sent before podman has said where its containers are."""
    pods.probes = probing(readiness=command("exit 0"))
    prober.observe([process.container])
    assert prober.readiness_of("web") == Readiness(
        False, 'container "main" is not ready: its probes have not been asked yet'
    )
    await eventually(lambda: prober.readiness_of("web") == Readiness(True))


async def test_a_pod_that_is_being_replaced_is_left_alone_and_asked_again_later(
    prober: Prober, pods: Pods, process: Process
) -> None:
    pods.may_end_now = False
    pods.probes = probing(liveness=command("exit 1", failure_threshold=1))
    prober.observe([process.container])
    await eventually(lambda: pods.refused >= 2)
    assert (pods.ended, process.has_ended) == ([], False)
    pods.may_end_now = True
    await eventually(lambda: process.has_ended)


async def test_the_next_run_of_a_container_begins_with_no_failures(
    prober: Prober, pods: Pods, process: Process, tmp_path: Path
) -> None:
    pods.probes = probing(liveness=command(f"echo >>{tmp_path}/asked; exit 1", failure_threshold=2))
    prober.observe([process.container])
    await eventually(lambda: process.has_ended)
    again = Process()
    try:
        prober.observe([again.container])
        await eventually(lambda: again.has_ended)
    finally:
        again.end()
    assert len((tmp_path / "asked").read_text().splitlines()) == 4


async def test_what_is_no_longer_seen_running_is_no_longer_asked(
    prober: Prober, pods: Pods, process: Process
) -> None:
    pods.probes = probing(readiness=command("exit 0"))
    prober.observe([process.container])
    await eventually(lambda: prober.readiness_of("web").ready)
    prober.observe([])
    await eventually(lambda: not prober._watches)
    assert prober.readiness_of("web") == Readiness(None)


async def test_a_container_that_could_not_be_ended_is_ended_later(
    prober: Prober, pods: Pods, process: Process
) -> None:
    pods.failures = 2
    pods.probes = probing(liveness=command("exit 1", failure_threshold=1))
    prober.observe([process.container])
    await eventually(lambda: process.has_ended)


async def test_another_process_with_the_number_of_a_container_is_left_alone(
    prober: Prober, pods: Pods
) -> None:
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
    pods.probes = probing(liveness=command("exit 1", failure_threshold=1))
    try:
        seen = Container(ID, "main", "web", "digest", "running", 0, 1, stranger.pid)
        prober.observe([seen])
        assert prober._wanted == {}
    finally:
        stranger.kill()
        stranger.wait()


async def test_what_cannot_be_asked_counts_neither_way_and_is_logged_once(
    prober: Prober, pods: Pods, process: Process, caplog: pytest.LogCaptureFixture
) -> None:
    broken = Probe(action=Exec(("broken",)), period=0, failure_threshold=1)
    pods.probes = probing(liveness=broken, readiness=command("exit 0"))
    prober.observe([process.container])
    await eventually(lambda: prober.readiness_of("web").ready and "ProbeErrored" in caplog.text)
    assert (pods.ended, process.has_ended) == ([], False)
    assert caplog.text.count("cannot join cgroup") == 1


@pytest.mark.looptime
async def test_hundreds_of_probes_begin_a_few_at_a_time_and_slow_ones_make_way() -> None:
    slots, begun = Slots(), 0
    hang = asyncio.Event()

    async def ask() -> None:
        nonlocal begun
        async with slots.take(TcpSocket(1)):
            begun += 1
            await hang.wait()

    tasks = [asyncio.create_task(ask()) for _ in range(10 * SLOTS)]
    await asyncio.sleep(0.5)
    assert begun == SLOTS
    await asyncio.sleep(1)
    assert begun == 2 * SLOTS
    hang.set()
    await asyncio.gather(*tasks)
    assert begun == 10 * SLOTS
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(SLOTS):
            await stack.enter_async_context(slots.take(TcpSocket(1)))
        assert slots._slots.locked()


@pytest.mark.looptime
async def test_fifty_commands_a_second_are_asked_in_turn_and_connections_do_not_wait() -> None:
    slots = Slots(TokenBucket(10, 20, asyncio.get_running_loop().time))
    begun: list[int] = []

    async def ask(number: int) -> None:
        async with slots.take(Exec(("true",))):
            begun.append(number)

    tasks = [asyncio.create_task(ask(number)) for number in range(50)]
    await asyncio.sleep(0)
    async with slots.take(TcpSocket(1)):
        assert len(begun) <= 20
    await asyncio.sleep(1.05)
    assert len(begun) == 30
    await asyncio.gather(*tasks)
    assert begun == list(range(50))


async def test_a_bug_of_one_probe_ends_no_probing(
    prober: Prober, pods: Pods, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0

    async def ask(*_: object) -> None:
        nonlocal asked
        asked += 1
        if asked < 3:
            raise ZeroDivisionError

    monkeypatch.setattr(watch_module, "ask", ask)
    pods.probes = probing(readiness=command("exit 0"))
    prober.observe([process.container])
    await eventually(lambda: prober.readiness_of("web").ready)
