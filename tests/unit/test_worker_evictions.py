"""Limits of emptyDirs on disk, measured on real directories, in virtual time."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from flotta.protocol.models import Workload
from flotta.protocol.reasons.device_programs import REMOVAL_INCOMPLETE
from flotta.worker.errors import WorkloadError
from flotta.worker.volumes.plan import VolumePlan
from flotta.worker.volumes.preparation import prepare_volumes
from flotta.worker.volumes.usage import exceeds
from flotta.worker.workloads.evictions import Evictions, empty_scratch
from flotta.worker.workloads.files import WorkloadFiles
from flotta.worker.workloads.interruptions import Interruptions
from flotta.worker.workloads.manifest import build_pod
from flotta.worker.workloads.pod_facts import DeviceFacts
from waiting import eventually

KIB = 1024
pytestmark = pytest.mark.looptime


class Pods:
    """Which pods run, and what was stopped."""

    def __init__(self) -> None:
        self.running = {"web"}
        self.stopped: list[str] = []
        self.changes = 0

    async def stop(self, name: str) -> None:
        self.stopped.append(name)
        self.running.discard(name)

    def change(self) -> None:
        self.changes += 1


def install(tmp_path: Path, policy: str = "Always", limit: str = "64Ki") -> WorkloadFiles:
    files = WorkloadFiles(tmp_path / "w", tmp_path / "v", tmp_path / "u", tmp_path / "m")
    spec = {
        "containers": [{"name": "c", "image": "x"}],
        "volumes": [{"name": "d", "emptyDir": {"sizeLimit": limit}}],
        "restartPolicy": policy,
    }
    workload = Workload(name="web", specification=json.dumps(spec))
    pod = build_pod(workload, [], DeviceFacts(), files.paths_of("web"))
    files.write_pod(pod)
    prepare_volumes(pod.volumes.plan)
    return files


@pytest.fixture
def pods() -> Iterator[Pods]:
    return Pods()


def evictions_of(files: WorkloadFiles, pods: Pods) -> Evictions:
    noted = Interruptions(files)
    return Evictions(files, noted, pods.stop, lambda name: name in pods.running, pods.change)


async def test_a_pod_that_takes_too_much_is_stopped_and_starts_again_empty(
    tmp_path: Path, pods: Pods
) -> None:
    files = install(tmp_path)
    directory = files.paths_of("web").scratch / "d"
    evictions = evictions_of(files, pods)
    (directory / "small").write_bytes(bytes(16 * KIB))
    await evictions.look()
    assert (pods.stopped, evictions.workloads) == ([], set())

    (directory / "large").write_bytes(bytes(128 * KIB))
    await evictions.look()
    failure = evictions.failures["web"]
    assert failure.reason == "Evicted"
    assert failure.message == 'Usage of EmptyDir volume "d" exceeds the limit "64Ki".'
    await eventually(lambda: not os.listdir(directory))
    assert (pods.stopped, evictions.workloads) == (["web"], {"web"})
    await eventually(lambda: not evictions.workloads)


async def test_a_pod_that_is_never_restarted_stays_stopped_until_it_is_changed(
    tmp_path: Path, pods: Pods
) -> None:
    files = install(tmp_path, "Never")
    (files.paths_of("web").scratch / "d/large").write_bytes(bytes(128 * KIB))
    evictions = evictions_of(files, pods)
    await evictions.look()
    await asyncio.sleep(3600)
    assert evictions.workloads == {"web"}
    evictions.forget("web")
    assert evictions.workloads == set()


@pytest.mark.parametrize("policy", ["OnFailure", "Never"])
async def test_a_worker_that_starts_knows_which_pods_it_stopped(
    tmp_path: Path, pods: Pods, policy: str
) -> None:
    files = install(tmp_path, policy)
    (files.paths_of("web").scratch / "d/large").write_bytes(bytes(128 * KIB))
    before = evictions_of(files, pods)
    await before.look()
    before.cancel()  # as the worker does when it ends
    noted = Interruptions(files)
    again = Evictions(files, noted, pods.stop, lambda _: False, pods.change)
    again.load()
    assert noted.workloads == ({"web"} if policy == "OnFailure" else set())
    assert again.workloads == ({"web"} if policy == "Never" else set())
    noted.clear("web")
    assert noted.workloads == set()
    assert not files.paths_of("web").interruption.exists()


async def test_a_changed_pod_waits_until_the_directories_of_the_one_before_are_empty(
    tmp_path: Path, pods: Pods, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = install(tmp_path)
    (files.paths_of("web").scratch / "d/large").write_bytes(bytes(128 * KIB))
    begun, goes_on = threading.Event(), threading.Event()

    def empty(plan: VolumePlan) -> None:
        begun.set()
        goes_on.wait()
        empty_scratch(plan)

    monkeypatch.setattr("flotta.worker.workloads.evictions.empty_scratch", empty)
    evictions = evictions_of(files, pods)
    await evictions.look()
    await eventually(begun.is_set)
    evictions.forget("web")
    assert evictions.workloads == {"web"}
    goes_on.set()
    await eventually(lambda: not evictions.workloads)
    assert not os.listdir(files.paths_of("web").scratch / "d")


async def test_a_pod_that_does_not_stop_is_stopped_at_the_next_look(
    tmp_path: Path, pods: Pods, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(name: str) -> None:
        raise WorkloadError(REMOVAL_INCOMPLETE, "it does not stop")

    files = install(tmp_path)
    directory = files.paths_of("web").scratch / "d"
    (directory / "large").write_bytes(bytes(128 * KIB))
    with monkeypatch.context() as failing:
        failing.setattr(pods, "stop", fail)
        evictions = evictions_of(files, pods)
    await evictions.look()
    await eventually(lambda: not evictions.workloads)
    assert os.listdir(directory) == ["large"]
    monkeypatch.setattr(evictions, "_stop", pods.stop)
    await evictions.look()
    await eventually(lambda: not os.listdir(directory))
    assert pods.stopped == ["web"]


async def test_a_pod_that_does_not_run_is_not_stopped(tmp_path: Path, pods: Pods) -> None:
    files = install(tmp_path)
    (files.paths_of("web").scratch / "d/large").write_bytes(bytes(128 * KIB))
    pods.running.clear()
    await evictions_of(files, pods).look()
    assert pods.stopped == []


def test_usage_counts_each_file_once_and_follows_nothing(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    (inside / "deep").mkdir(parents=True)
    outside.mkdir()
    (outside / "big").write_bytes(bytes(512 * KIB))
    (inside / "link").symlink_to(outside)
    (inside / "deep/one").write_bytes(bytes(64 * KIB))
    for number in range(5):
        os.link(inside / "deep/one", inside / f"again-{number}")
    with (inside / "sparse").open("wb") as file:
        file.truncate(1 << 30)
    assert exceeds(inside, 32 * KIB)
    assert not exceeds(inside, 128 * KIB)
    assert not exceeds(tmp_path / "missing", 0)


def test_usage_takes_no_more_memory_for_more_directories(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the walk has still to do is what is open: one directory of each level."""
    for number in range(300):
        (tmp_path / f"d{number}/deep/er").mkdir(parents=True)
    opened, most = [0], [0]
    scandir, close = os.scandir, os.close

    def count(*_: object, by: int) -> None:
        opened[0] += by
        most[0] = max(most[0], opened[0])

    monkeypatch.setattr(os, "scandir", lambda path: (count(by=1), scandir(path))[1])
    monkeypatch.setattr(os, "close", lambda descriptor: (count(by=-1), close(descriptor))[1])
    assert not exceeds(tmp_path, 1 << 30)
    assert most[0] <= 4


def test_a_walk_through_what_takes_no_blocks_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """File systems such as XFS and btrfs keep small directories where no block is counted."""
    for number in range(100):
        (tmp_path / f"{number}").touch()
    (tmp_path / "link").symlink_to("0")
    assert exceeds(tmp_path, 100 * 512)
    assert not exceeds(tmp_path, 101 * 512)


def test_usage_enters_no_more_levels_than_it_may_open(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    deep = tmp_path / "/".join("d" * 150)
    deep.mkdir(parents=True)
    (deep / "large").write_bytes(bytes(8 << 20))
    assert not exceeds(tmp_path, 4 << 20)
    assert exceeds(tmp_path, 16 * KIB)
    assert len(os.listdir("/proc/self/fd")) == before
