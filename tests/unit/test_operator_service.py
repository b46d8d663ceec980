"""A new kind is reconciled when it is among the controllers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any

import pytest

from flotta.operator.controllers.context import Context
from flotta.operator.runtime.kind_controller import KindController, Watch
from flotta.operator.service import CONTROLLERS, Operator
from flotta.operator.settings import Settings
from flotta.resources.client import Client
from flotta.resources.kinds import EDGE_DEVICE, Kind
from flotta.resources.views import Key, key_of, name_of
from waiting import eventually

Object = dict[str, Any]
LAMP: Kind[Any] = Kind("example.org", "v1", "Lamp", "lamps")


class WatchedClient(Client):
    """Lists nothing; its watches yield what is put into them."""

    def __init__(self) -> None:
        self.changes: dict[Kind[Any], asyncio.Queue[Object]] = {
            LAMP: asyncio.Queue(),
            EDGE_DEVICE: asyncio.Queue(),
        }

    async def list_with_version(self, *_: Any, **__: Any) -> tuple[list[Object], str]:
        return [], "1"

    async def watch(self, kind: Kind[Any], *_: Any, **__: Any) -> AsyncIterator[Any]:
        while True:
            yield "ADDED", await self.changes[kind].get()


def named(name: str) -> Object:
    return {"metadata": {"name": name, "namespace": "default", "resourceVersion": "2"}}


async def test_changes_of_a_new_kind_and_of_what_it_watches_reach_its_controller() -> None:
    lit: list[str] = []

    def lamp_controller(context: Context) -> KindController[Any]:
        lamps = context.caches.of(LAMP)

        async def reconcile(lamp: Object) -> None:
            lit.append(name_of(lamp))

        def own(_: Object | None, new: Object | None) -> Iterable[Key]:
            return [key_of(new)] if new else []

        devices = Watch(context.caches.of(EDGE_DEVICE), lambda _, __: [("default", "hall")])
        return KindController(lamps, reconcile, (Watch(lamps, own), devices), 1)

    client = WatchedClient()
    operator = Operator(client, Settings(), kinds=(lamp_controller,))
    following = asyncio.create_task(operator.run_caches())
    working = asyncio.create_task(operator.run_controllers())
    await operator.caches.wait_synced()
    client.changes[LAMP].put_nowait(named("hall"))
    await eventually(lambda: lit == ["hall"])
    client.changes[EDGE_DEVICE].put_nowait(named("till-1"))
    await eventually(lambda: lit == ["hall", "hall"])
    following.cancel()
    working.cancel()
    assert [controller.name for controller in operator.controllers] == ["Lamp"]


def test_every_controller_watches_its_own_kind() -> None:
    client = Client.__new__(Client)
    operator = Operator(client, Settings())
    context = Context(client, operator.caches, Settings())
    for make in CONTROLLERS:
        spec = make(context)
        assert any(watch.cache is spec.objects for watch in spec.watches)


async def test_kind_that_is_requested_too_late_is_refused() -> None:
    operator = Operator(WatchedClient(), Settings(), kinds=())
    await operator.run_caches()
    with pytest.raises(RuntimeError, match="lamps"):
        operator.caches.of(LAMP)
