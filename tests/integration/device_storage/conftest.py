"""What tests of the storage of devices take, on one engine after the other."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from device_storage_site import Place, storage_place
from edge_site import Fleet as Devices
from edge_site import fleet_of
from operator_site import ENGINES, Fleet


@pytest.fixture(scope="module", params=ENGINES)
def place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    with storage_place(tmp_path_factory.mktemp("storage"), request.param) as started:
        yield started


@pytest.fixture
async def devices(place: Place) -> AsyncIterator[Devices]:
    async with fleet_of(place.edge) as devices:
        yield devices


@pytest.fixture
def fleet(devices: Devices) -> Fleet:
    return Fleet(devices.client)
