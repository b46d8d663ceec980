"""The cache of one kind against a server whose watches end, with bookmarks that may not advance."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from typing import Any

import pytest

from flotta.resources import cache as cache_module
from flotta.resources.cache import Cache
from flotta.resources.kinds import EDGE_DEVICE, Kind
from waiting import eventually

Object = dict[str, Any]


class QuietServer:
    """Lists nothing, at a version that grows; each watch has a bookmark, and ends after 5 min."""

    def __init__(self, bookmark: Callable[[int], int]) -> None:
        self.lists = 0
        self.watches = 0
        self.clock = 0.0  # seconds
        self._bookmark = bookmark

    async def list_with_version(self, kind: Kind, namespace: str | None) -> tuple[list, str]:
        self.lists += 1
        return [], str(self.lists * 1000)

    async def watch(
        self, kind: Kind, namespace: str | None, *, resource_version: str
    ) -> AsyncIterator[tuple[str, Object]]:
        self.watches += 1
        await asyncio.sleep(0)
        self.clock += 299.0
        version = str(self._bookmark(int(resource_version)))
        yield "BOOKMARK", {"metadata": {"resourceVersion": version}}
        self.clock += 1.0


def stay(version: int) -> int:
    return version


def grow(version: int) -> int:
    return version + 1


@pytest.mark.parametrize(("bookmark", "listed_again"), [(stay, True), (grow, False)])
async def test_a_kind_is_listed_again_when_its_watch_ends_and_its_version_did_not_grow(
    monkeypatch: pytest.MonkeyPatch, bookmark: Callable[[int], int], *, listed_again: bool
) -> None:
    server = QuietServer(bookmark)
    clock = SimpleNamespace(monotonic=lambda: server.clock)
    monkeypatch.setattr(cache_module, "time", clock)
    cache = Cache(server, EDGE_DEVICE)  # type: ignore[arg-type]
    running = asyncio.create_task(cache.run())

    await eventually(lambda: server.watches > 3)

    assert (server.lists > 1) is listed_again
    assert int(cache.resource_version) > 1000
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
