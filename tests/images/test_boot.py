"""A stick that boots: the device joins by itself, runs a pod, and keeps what it has."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from images.device import Station, has_joined, is_running, key_of, partitions
from images.qemu import Firmware, Machine, UsbStick, make_stick

pytestmark = pytest.mark.timeout(3600)  # seconds: several boots of minutes each
Picture = Callable[[Machine, str], None]
RULE = {"uses": 1, "approval": {"mode": "Automatic"}, "deviceLabels": ["room"]}
STATE_START = 1 << 30  # bytes
SECTOR = 512


async def joined_stick(station: Station, base: Path) -> Path:
    """Return a stick that no machine has booted yet, of a batch that admits one device."""
    await station.run_sample()
    credentials = await station.issue(**RULE, labels={"app": station.name})
    iso = station.write(base, credentials, labels={"room": "12"})
    return make_stick(iso, station.folder / "stick.img")


async def test_a_stick_that_boots_shows_a_device_that_joins_and_works(
    station: Station, base: Path, picture: Picture
) -> None:
    """Nobody touches the device: the ISO and the batch have all that it needs."""
    stick = await joined_stick(station, base)

    with station.machine(UsbStick(stick)) as machine:
        device = await station.device(has_joined)
        labels = device["metadata"]["labels"]
        assert (labels["app"], labels["room"]) == (station.name, "12")
        machine.wait_for("IN THE FLEET")
        await station.make_quick()
        await station.device(is_running)
        assert await station.files()
        picture(machine, "console-in-the-fleet")

    state = partitions(stick)["flotta-state"]
    assert state["start"] * SECTOR == STATE_START
    assert await station.uses() == [station.device_id]


@pytest.mark.deep
async def test_the_next_boots_keep_identity_pod_and_files(station: Station, base: Path) -> None:
    stick = await joined_stick(station, base)
    with station.machine(UsbStick(stick)):
        await station.device(has_joined)
        await station.make_quick()
        await station.device(is_running)
        known = await station.files()
        first = await station.device(lambda _: True)

    # By other firmware: the stick is the same device.
    with station.machine(UsbStick(stick), firmware=Firmware.UEFI):
        known = await station.files(len(known))
        again = await station.device(is_running)
    assert (again["metadata"]["uid"], key_of(again)) == (first["metadata"]["uid"], key_of(first))

    # Another ISO over it, of a batch that admits nobody any more: the state behind it counts.
    credentials = await station.issue(other := f"{station.batch}-other", uses=1)
    make_stick(station.write(base, credentials), stick)
    await station.revoke(other)
    with station.machine(UsbStick(stick)) as machine:
        await station.files(len(known))
        machine.wait_for("IN THE FLEET")
        again = await station.device(is_running)
    assert (again["metadata"]["uid"], key_of(again)) == (first["metadata"]["uid"], key_of(first))
    assert await station.uses() == [station.device_id]


@pytest.mark.deep
async def test_debian_13_joins_and_runs_a_pod(station: Station, newer_base: Path) -> None:
    stick = await joined_stick(station, newer_base)
    with station.machine(UsbStick(stick), firmware=Firmware.UEFI):
        await station.device(has_joined)
        await station.make_quick()
        await station.device(is_running)
        assert await station.files()
    assert "flotta-state" in partitions(stick)
