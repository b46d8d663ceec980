"""What the worker notices of pods, by the directories that podman and systemd write to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from flotta.worker import podman, systemd
from flotta.worker.podman import Container
from flotta.worker.systemd import UnitState
from flotta.worker.workloads.observer import Observer
from flotta.worker.workloads.state import Crash
from waiting import eventually

POD = Container("a" * 64, "c", "web", "digest", "running", 0, 1)
MAX_QUEUED = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())


@pytest_asyncio.fixture
async def observer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Observer]:
    async def list_containers() -> list[Container]:
        return [POD]

    async def read_unit_states(_: object) -> dict[str, UnitState]:
        return {}

    monkeypatch.setattr(podman, "list_containers", list_containers)
    monkeypatch.setattr(systemd, "read_unit_states", read_unit_states)
    exits, units = tmp_path / "exits", tmp_path / "units"
    exits.mkdir()
    units.mkdir()
    (exits / POD.id).write_text("9")  # of a run that ended before the worker came
    started = Observer(exits, units, lambda: None)
    await started.refresh()
    task = asyncio.create_task(started.run())
    await asyncio.sleep(0)  # its first step watches the directories
    yield started
    task.cancel()


def end_container(folder: Path, exit_code: int) -> None:
    """Write an exit file as conmon does, in one step."""
    (folder / "exits/new").write_text(str(exit_code))
    (folder / "exits/new").rename(folder / "exits" / POD.id)


async def test_each_exit_counts_once(observer: Observer, tmp_path: Path) -> None:
    end_container(tmp_path, 1)
    await eventually(lambda: observer.crashes.list_crashes("web") == [Crash("c", 1, 1)])
    (tmp_path / "exits" / POD.id).unlink()
    (tmp_path / "exits" / POD.id).write_text("2")  # created, then written: two events
    await eventually(lambda: observer.crashes.list_crashes("web") == [Crash("c", 2, 2)])


async def test_after_lost_events_everything_is_looked_at_again(
    observer: Observer, tmp_path: Path
) -> None:
    seen = observer.snapshot
    for number in range(MAX_QUEUED // 3 + 4):  # nothing that the observer would follow up
        path = tmp_path / "units" / f"log-extra-fields:{number % 2}"
        path.unlink(missing_ok=True)
        path.touch()
    end_container(tmp_path, 2)

    await eventually(lambda: observer.crashes.list_crashes("web") == [Crash("c", 2, 1)])
    await eventually(lambda: observer.snapshot is not seen)
