"""Units that systemd goes on calling outdated: they neither loop nor keep a pod from running."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from workload_host import FINISHED, Host, running

from flotta.protocol.models import Workload
from flotta.worker import systemd
from flotta.worker.systemd import UnitState
from waiting import eventually

WEB = Workload(name="web", specification="containers: [{name: c, image: x}]")


class OutdatedHost(Host):
    """A device whose systemd says of each unit that its files changed, whatever it has read."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(monkeypatch)
        self.is_outdated = True
        self.reloads = 0
        monkeypatch.setattr(systemd, "reload", self.reload)

    async def reload(self) -> bool:
        self.reloads += 1
        return True

    async def read_unit_states(self, units: Iterable[str]) -> dict[str, UnitState]:
        found = await super().read_unit_states(units)
        return {unit: replace(state, outdated=self.is_outdated) for unit, state in found.items()}


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> OutdatedHost:
    return OutdatedHost(monkeypatch)


async def test_a_unit_that_stays_outdated_is_read_once_and_its_pod_is_kept_running(
    tmp_path: Path, host: OutdatedHost, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(tmp_path, WEB) as feature:
        async with asyncio.timeout(20):
            await feature.wait_applied()
        assert host.started == ["web"]
        assert host.reloads == 2  # one for the new files, one for what systemd says of them
        host.units = dict.fromkeys(host.units, FINISHED)
        await feature.prepare()
        await eventually(lambda: host.started == ["web", "web"], 20)
        assert host.reloads == 2
    assert sum("still says" in line for line in caplog.messages) == 1


async def test_a_unit_that_is_outdated_later_is_read_again(
    tmp_path: Path, host: OutdatedHost
) -> None:
    async with running(tmp_path, WEB) as feature:
        await feature.wait_applied()
        before = host.reloads

        async def change() -> bool:
            host.is_outdated = not host.is_outdated
            await feature.prepare()
            return host.reloads > before

        await eventually(change)
