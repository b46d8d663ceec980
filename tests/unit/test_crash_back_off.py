"""Containers that crash in a loop are paused one by one, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from flotta.worker import podman, systemd
from flotta.worker.podman import Container
from flotta.worker.probes.container_run import ContainerRun
from flotta.worker.systemd import UnitState
from flotta.worker.workloads import container_starts
from flotta.worker.workloads.container_starts import ContainerStarts
from flotta.worker.workloads.crash_back_off import CrashLoopBackOff
from flotta.worker.workloads.crash_loop import LOOP_EXITS, ContainerName, Crashes
from flotta.worker.workloads.files import WorkloadFiles
from flotta.worker.workloads.observer import Observer
from flotta.worker.workloads.probe_ends import note_end, note_run, was_ended
from flotta.worker.workloads.revival import Revival

pytestmark = pytest.mark.looptime
BAD, GOOD = ContainerName("web", "bad"), ContainerName("web", "good")


def container(name: str, state: str = "running", exit_code: int = 0) -> Container:
    return Container(name * 16, name, "web", "digest", state, exit_code, 1, 1)


class Starts:
    """Holds containers if it can; notes when, in seconds of the loop."""

    def __init__(self, *, can_hold: bool = True) -> None:
        self.can_hold = can_hold
        self.done: list[tuple[str, ContainerName, int]] = []

    def note(self, what: str, name: ContainerName) -> None:
        self.done.append((what, name, round(asyncio.get_running_loop().time())))

    async def hold(self, name: ContainerName) -> bool:
        self.note("hold", name)
        return self.can_hold

    async def resume(self, name: ContainerName) -> None:
        self.note("resume", name)

    async def open_gates(self) -> None:
        raise AssertionError

    async def start_pod(self, workload: str) -> None:
        self.note("start", ContainerName(workload, ""))

    async def stop(self, workload: str) -> None:
        self.note("stop", ContainerName(workload, ""))


def crash(crashes: Crashes, name: ContainerName, times: int = LOOP_EXITS) -> None:
    for _ in range(times):
        crashes.record_exit(name.container * 16, 1)


def looping(starts: Starts) -> tuple[Crashes, CrashLoopBackOff]:
    crashes = Crashes(clock=asyncio.get_running_loop().time)
    crashes.learn_names([container("bad"), container("good")])
    return crashes, CrashLoopBackOff(crashes, starts, starts.stop, lambda: None)


async def test_only_the_container_that_crashes_is_held_each_time_longer() -> None:
    await asyncio.sleep(1)
    starts = Starts()
    crashes, back_off = looping(starts)
    for pause in (10, 20, 40, 80, 160, 300, 300):
        starts.done.clear()
        crash(crashes, BAD)
        back_off.stop_looping()
        back_off.stop_looping()  # each snapshot looks again
        await asyncio.sleep(0)
        assert (back_off.list_held(), back_off.workloads) == ({BAD}, set())
        await asyncio.sleep(pause + 1)
        (held, _, then), (resumed, _, later) = starts.done
        assert (held, resumed, later - then) == ("hold", "resume", pause)
        assert crashes.list_looping() == []
    await asyncio.sleep(601)  # ten minutes without an exit
    back_off.stop_looping()
    crash(crashes, BAD)
    starts.done.clear()
    back_off.stop_looping()
    await asyncio.sleep(11)
    assert [what for what, _, _ in starts.done] == ["hold", "resume"]


async def test_two_containers_of_a_pod_have_pauses_of_their_own() -> None:
    await asyncio.sleep(1)
    starts = Starts()
    crashes, back_off = looping(starts)
    crash(crashes, BAD)
    back_off.stop_looping()
    await asyncio.sleep(5)
    crash(crashes, GOOD)
    back_off.stop_looping()
    await asyncio.sleep(0)
    assert back_off.list_held() == {BAD, GOOD}
    await asyncio.sleep(11)
    assert back_off.list_held() == set()


async def test_a_pod_is_stopped_where_its_container_cannot_be_held() -> None:
    await asyncio.sleep(1)
    starts = Starts(can_hold=False)
    crashes, back_off = looping(starts)
    crash(crashes, BAD)
    back_off.stop_looping()
    await asyncio.sleep(1)
    assert back_off.workloads == {"web"}
    crash(crashes, GOOD)
    back_off.stop_looping()
    await asyncio.sleep(10)
    assert back_off.workloads == set()
    assert [what for what, _, _ in starts.done] == ["hold", "stop"]
    crash(crashes, BAD)
    back_off.stop_looping()
    await asyncio.sleep(1)
    back_off.cancel("web")
    assert (back_off.workloads, back_off.list_held()) == (set(), set())


@pytest.mark.parametrize(
    ("can_hold", "done"), [(True, ("resume", BAD)), (False, ("start", ContainerName("web", "")))]
)
async def test_what_is_paused_runs_again_when_the_worker_stops(
    can_hold: bool, done: tuple[str, ContainerName]
) -> None:
    await asyncio.sleep(1)
    starts = Starts(can_hold=can_hold)
    crashes, back_off = looping(starts)
    crash(crashes, BAD)
    back_off.stop_looping()
    await asyncio.sleep(1)
    starts.done.clear()
    await back_off.release()
    assert [one[:2] for one in starts.done] == [done]
    assert (back_off.workloads, back_off.list_held()) == (set(), set())


class Podman:
    """A pod `web` of two containers, one of which podman has left stopped."""

    def __init__(self, folder: Path, policy: str, exit_code: int) -> None:
        self.bad = container("bad", "exited", exit_code)
        self.started: list[str] = []
        self.bundle = folder / "bundle"
        self.bundle.mkdir()
        self.directory = directory = folder / "workloads/web"
        directory.mkdir(parents=True)
        (directory / "pod.yaml").write_text(
            f'{{"spec": {{"restartPolicy": "{policy}", "containers": '
            '[{"name": "good"}, {"name": "bad"}], "initContainers": [{"name": "first"}]}}'
        )
        files = WorkloadFiles(folder / "workloads", folder / "volumes", folder / "units")
        self.observer = Observer(folder, folder, self.examine)
        self.observer.watch_units({"web": "web.service"})
        self.settled = True
        self.held: set[ContainerName] = set()
        self.starts = ContainerStarts(self.observer)
        self.revival = Revival(
            files, self.observer, self.starts, lambda _: self.settled, lambda: self.held
        )

    def examine(self) -> None:
        self.revival.examine()

    async def list_containers(self) -> list[Container]:
        return [container("good"), self.bad, container("first", "exited")]

    async def read_unit_states(self, _: object) -> dict[str, UnitState]:
        return {"web.service": UnitState("active", "running")}

    async def find_bundles(self, ids: Iterable[str]) -> dict[str, Path]:
        return {id_: self.bundle for id_ in ids if id_ == self.bad.id}

    async def start_container(self, container_id: str) -> bool:
        self.started.append(container_id)
        self.bad = container("bad")
        return True

    async def to_thread(self, work: object, *arguments: object) -> object:
        return work(*arguments)  # type: ignore[operator] # a thread knows no virtual time


def use(monkeypatch: pytest.MonkeyPatch, fake: Podman) -> Podman:
    for name in ("list_containers", "find_bundles", "start_container"):
        monkeypatch.setattr(podman, name, getattr(fake, name))
    monkeypatch.setattr(systemd, "read_unit_states", fake.read_unit_states)
    monkeypatch.setattr(container_starts.asyncio, "to_thread", fake.to_thread)
    return fake


@pytest.mark.parametrize(
    ("policy", "exit_code", "ended", "starts"),
    [
        ("Always", 0, False, True),
        ("OnFailure", 3, False, True),
        ("OnFailure", 0, False, False),
        ("OnFailure", 0, True, True),
        ("Never", 3, True, False),
    ],
)
async def test_what_should_run_by_its_policy_and_does_not_is_started(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    policy: str,
    exit_code: int,
    ended: bool,
    starts: bool,
) -> None:
    fake = use(monkeypatch, Podman(tmp_path, policy, exit_code))
    if ended:  # by a probe, before the worker was restarted
        note_end(fake.directory, ContainerRun("web", "bad", fake.bad.id, 10, 100))
    await fake.observer.refresh()
    assert fake.started == []  # podman has ten seconds
    await asyncio.sleep(20)
    assert fake.started == ([fake.bad.id] if starts else [])
    fake.revival.cancel()


async def test_the_end_of_an_earlier_run_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = use(monkeypatch, Podman(tmp_path, "OnFailure", 0))
    run = ContainerRun("web", "bad", fake.bad.id, 10, 100)
    note_end(fake.directory, run)
    note_run(fake.directory, run)
    assert was_ended(fake.directory, "bad", fake.bad.id)
    note_run(fake.directory, replace(run, pid=11, started=200))
    await fake.observer.refresh()
    await asyncio.sleep(1000)
    assert fake.started == []


async def test_what_is_held_or_being_replaced_is_not_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = use(monkeypatch, Podman(tmp_path, "Always", 1))
    fake.held = {BAD}
    await fake.observer.refresh()
    fake.held, fake.settled = set(), False
    await fake.observer.refresh()
    await asyncio.sleep(1000)
    assert fake.started == []


async def test_a_container_that_the_worker_held_before_its_restart_may_start_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = use(monkeypatch, Podman(tmp_path, "Always", 1))
    await fake.observer.refresh()
    assert await fake.starts.hold(BAD)
    assert (fake.bundle / "config.json").is_dir()
    await asyncio.sleep(20)
    assert fake.started == [fake.bad.id]
    assert list(fake.bundle.iterdir()) == []


async def test_a_container_that_a_worker_held_when_it_was_killed_may_start_again_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = use(monkeypatch, Podman(tmp_path, "Always", 1))
    await fake.observer.refresh()
    assert await fake.starts.hold(BAD)
    await fake.starts.open_gates()
    assert list(fake.bundle.iterdir()) == []
    assert fake.started == []
    fake.revival.cancel()


async def test_a_stopped_pod_is_left_to_systemd(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[str] = []

    async def start_later(unit: str) -> bool:
        started.append(unit)
        return True

    monkeypatch.setattr(systemd, "start_later", start_later)
    observer = Observer(Path("/x"), Path("/x"), lambda: None)
    observer.watch_units({"web": "web.service"})
    await ContainerStarts(observer).start_pod("web")
    await ContainerStarts(observer).start_pod("gone")
    assert started == ["web.service"]


async def test_the_only_container_that_runs_is_not_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = use(monkeypatch, Podman(tmp_path, "Always", 1))
    await fake.observer.refresh()
    assert not await fake.starts.hold(GOOD)
    assert not await fake.starts.hold(ContainerName("web", "gone"))
    fake.revival.cancel()
