"""Devices that boot from one medium and have another one: a disk for the state, a seed, a stick."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from administrator import flotta
from images.device import Station, has_joined, key_of, partitions
from images.qemu import Cd, UsbDisk, UsbStick, make_disk, make_stick

pytestmark = [pytest.mark.deep, pytest.mark.timeout(3600)]  # seconds: several boots
RULE = {"uses": 1, "approval": {"mode": "Automatic"}}


def label_of(disk: Path) -> str:
    """Return the label of the file system that is on a disk as a whole, "" without one."""
    asked = ["blkid", "--probe", "--match-tag", "LABEL", "--output", "value", str(disk)]
    return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()


async def test_a_cd_keeps_its_device_on_a_usb_disk(station: Station, base: Path) -> None:
    """No other medium makes the first stage load the drivers of USB."""
    credentials = await station.issue(**RULE)
    cd = Cd(station.write(base, credentials, state_disk="serial=KEPT1"))
    disk = UsbDisk(make_disk(station.folder / "disk.img"), "KEPT1")

    with station.machine(cd, disk) as machine:
        first = await station.device(has_joined)
        machine.wait_for("IN THE FLEET")
    assert label_of(disk.path) == "FLOTTA_STATE"

    await station.revoke()
    with station.machine(cd, disk) as machine:
        machine.wait_for("IN THE FLEET")
    assert key_of(await station.device(has_joined)) == key_of(first)


async def test_a_base_takes_its_settings_from_a_seed_of_the_command_line(
    station: Station, base: Path
) -> None:
    await station.issue(**RULE)
    registration, seed = station.folder / "registration", station.folder / "seed.img"
    run(station, "registration", "issue", station.batch, "--output", str(registration))
    given = ("--registration", str(registration), "--server", station.plane.server)
    run(station, "image", "seed", "--output", str(seed), *given, "--batch", station.batch)

    stick = make_stick(base, station.folder / "stick.img")
    with station.machine(UsbStick(stick), UsbDisk(seed, "SEED1")) as machine:
        await station.device(has_joined)
        machine.wait_for("IN THE FLEET")
    assert "flotta-state" in partitions(stick)


async def test_the_stick_that_booted_is_told_from_others_of_its_base(
    station: Station, base: Path
) -> None:
    credentials = await station.issue(**RULE)
    booted, other = (
        make_stick(station.write(base, credentials, labels={"app": name}), path)
        for name in ("booted", "other")
        for path in [station.folder / f"{name}.img"]
    )
    equal = make_stick(other, station.folder / "equal.img")

    # The other one comes first: its controller does.
    with station.machine(UsbDisk(other, "FIRST"), UsbStick(booted)) as machine:
        await station.device(has_joined)
        machine.wait_for("IN THE FLEET")
    assert ("flotta-state" in partitions(booted), "flotta-state" in partitions(other)) == (
        True,
        False,
    )

    with station.machine(UsbDisk(other, "FIRST"), UsbStick(equal)) as machine:
        machine.wait_for("StateMediumInDoubt")
    assert "flotta-state" not in {**partitions(other), **partitions(equal)}


def run(station: Station, *arguments: str) -> None:
    done = flotta(station.plane.kubeconfig, *arguments)
    assert done.returncode == 0, done.stderr
