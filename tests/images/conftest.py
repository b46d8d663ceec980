"""A control plane and base images for the tests of this folder."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from types import FrameType

import pytest
from edge_site import Fleet, fleet_of

from flotta.images.build.suites import BOOKWORM, TRIXIE
from images.device import Station
from images.materials import base_image
from images.plane import Plane, running_plane
from images.qemu import Machine


def pytest_configure() -> None:
    """End the machines after SIGTERM too, which is how a run of all tests is interrupted."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)


@pytest.fixture(scope="session")
def base() -> Path:
    """Return a base image of Debian 12."""
    return base_image(BOOKWORM)


@pytest.fixture(scope="session")
def newer_base() -> Path:
    """Return one of Debian 13."""
    return base_image(TRIXIE)


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    with running_plane(tmp_path_factory.mktemp("images") / "plane") as running:
        yield running


@pytest.fixture
async def fleet(plane: Plane) -> AsyncIterator[Fleet]:
    async with fleet_of(plane.edge) as opened:
        yield opened


@pytest.fixture
def station(plane: Plane, fleet: Fleet, tmp_path: Path) -> Station:
    """Return where a person makes media and starts machines with them."""
    return Station(plane, fleet, tmp_path)


@pytest.fixture
def picture(tmp_path: Path) -> Callable[[Machine, str], None]:
    """Return what writes a screenshot for the documentation (`make screenshots`)."""

    def take(machine: Machine, name: str) -> None:
        made = machine.screenshot(tmp_path / f"{name}.png")
        assert made.stat().st_size > 0
        if folder := os.environ.get("FLOTTA_SCREENSHOTS"):
            shutil.copyfile(made, Path(folder) / f"{name}.png")

    return take
