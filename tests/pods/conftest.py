"""Devices of both podman worlds; those of Debian 13 only where deep tests run."""

from __future__ import annotations

import signal
import sys
from collections import Counter
from collections.abc import Iterator
from types import FrameType

import pytest

from pods.device import Device
from pods.host import remove_abandoned
from pods.materials import WORLDS

MOST_STARTS = 25  # of pods while no deep test is selected: each takes seconds


def pytest_configure() -> None:
    """Remove the devices after SIGTERM too, which is how a run of all tests is interrupted."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)


@pytest.fixture(
    scope="session",
    params=[
        pytest.param(suite, marks=[] if suite == "bookworm" else [pytest.mark.deep])
        for suite in WORLDS
    ],
)
def device(request: pytest.FixtureRequest) -> Iterator[Device]:
    """Return a device that all tests of a world share: remove the workloads that you run."""
    remove_abandoned()
    found = Device(WORLDS[request.param])
    try:
        yield found
        started = found.starts()
    finally:
        found.close()
    if not any(item.get_closest_marker("deep") for item in request.session.items):
        assert len(started) <= MOST_STARTS, f"{len(started)} pod starts: {Counter(started)}"


@pytest.fixture(autouse=True)
def journal_of_a_failed_test(request: pytest.FixtureRequest) -> Iterator[None]:
    """Print what the device logged during a test that failed."""
    failed = request.session.testsfailed
    yield
    if request.session.testsfailed > failed and "device" in request.fixturenames:
        sys.stdout.write(request.getfixturevalue("device").journal())
