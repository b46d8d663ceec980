"""Who gets an EdgeWorkload with a field that no device carries out."""

from __future__ import annotations

import asyncio

import fleet_objects
from edge_api_store import Store

from flotta.edge_api.backends.crd.caches import Caches
from flotta.edge_api.backends.crd.configurations import Configurations
from flotta.edge_api.backends.crd.wakeups import Wakeups
from flotta.resources.kinds import EDGE_DEVICE, EDGE_WORKLOAD
from flotta.resources.views import key_of
from waiting import eventually

POD = {**fleet_objects.container(), "nodeSelector": {"disk": "ssd"}}


async def test_an_agent_of_v0_2_gets_it_as_soon_as_its_heartbeat_shows_what_it_is() -> None:
    store, wakeups = Store(), Wakeups()
    caches = Caches(store)  # type: ignore[arg-type]
    configurations = Configurations(caches, wakeups)
    store.put(EDGE_DEVICE, fleet_objects.device())
    store.put(EDGE_WORKLOAD, fleet_objects.workload("web", POD))
    running = asyncio.create_task(caches.run())
    await caches.wait_synced()
    (device,) = caches.devices.list()

    def is_delivered() -> bool:
        content = configurations.get(device).rendered.content
        assert bool(content.workloads) != bool(content.unresolved_workloads)
        return bool(content.workloads)

    assert not is_delivered()
    waiting = asyncio.create_task(wakeups.wait(key_of(device), 3600))
    await asyncio.sleep(0)
    store.put(EDGE_DEVICE, fleet_objects.device(status={"phase": "up"}))
    await waiting
    assert is_delivered()
    store.put(EDGE_DEVICE, fleet_objects.device(status={"phase": "up", "agentVersion": "1"}))
    await eventually(lambda: not is_delivered())
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
