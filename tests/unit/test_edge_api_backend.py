"""The Edge API on a resource API that fails, or tells late what changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from edge_api_store import Object, Store
from fleet_objects import device

from flotta.edge_api.backends.crd import CrdBackend
from flotta.edge_api.metrics import Metrics
from flotta.edge_api.settings import Settings
from flotta.identity.peers import Peer
from flotta.protocol.models import HardwareInfo, Heartbeat, WorkloadStatus
from flotta.resources.errors import ApiError
from flotta.resources.kinds import EDGE_DEVICE

NOW = datetime(2026, 1, 10, 9, 0, tzinfo=UTC)
PEER = Peer("device", "d-17", "default", ("default",), "u-1", "", "", NOW, NOW)
FAILED = WorkloadStatus(name="web", status="Error", reason="ImagePull", message="no such image")


@pytest.fixture
def store() -> Store:
    store = Store()
    store.put(EDGE_DEVICE, device({}, {"workloads": [{"name": "web", "phase": "Deploying"}]}))
    return store


@pytest.fixture
async def backend(store: Store) -> AsyncIterator[CrdBackend]:
    backend = CrdBackend(store, Settings(), Metrics())  # type: ignore[arg-type]
    running = asyncio.create_task(backend.run())
    await backend.fleet.wait_synced()
    yield backend
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_failure_is_an_event_although_the_labels_could_not_be_written(
    store: Store, backend: CrdBackend
) -> None:
    beat = Heartbeat(status="up", workloads=[FAILED], hardware=HardwareInfo(hostname="press"))

    async def refuse_labels(_: Object, subresource: str) -> None:
        if not subresource:
            raise ApiError(500, "InternalError", "try again")

    store.stored = refuse_labels
    with pytest.raises(ApiError):
        await backend.heartbeat(PEER, "m-1", beat)
    store.stored = None
    await backend.heartbeat(PEER, "m-1", beat)

    assert store.device()["metadata"]["labels"]["device.hostname"] == "press"
    assert store.events == ["EdgeDevice ImagePull"]
