"""A worker removes nothing because of a configuration that is older than one before it."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from worker_site import BROKEN, configuration, directives, names, registered, running, versions

from flotta.worker import older_configuration
from plain_gateway import PlainGateway


def dated_by(field: str, version: int, *workloads: dict[str, Any]) -> bytes:
    """Return a configuration that says how new its inputs are."""
    content = json.loads(configuration(f"of {version}", *workloads))
    inputs = {"device_uid": "u-1", field: str(version)}
    return json.dumps({**content, "inputs_version": inputs}).encode()


dated = partial(dated_by, "workloads_version")


async def take(gateway: PlainGateway, message: bytes) -> None:
    """Send a configuration and wait until it is applied."""
    await gateway.configure(message)
    version = json.loads(message)["version"]
    await gateway.wait_for(lambda: gateway.heartbeats() and versions(gateway)[-1] == version)


def warnings(gateway: PlainGateway, reason: str) -> list[str]:
    """Return the messages of reported events that have this reason."""
    events = [event for beat in gateway.heartbeats() for event in beat["events"]]
    return [event["message"] for event in events if event["reason"] == reason]


async def test_a_worker_that_lost_its_newest_configuration_removes_nothing_until_it_has_it_again(
    gateway: PlainGateway, tmp_path: Path
) -> None:
    async with registered(gateway, tmp_path):
        await gateway.configure(configuration("v1", BROKEN))
        await gateway.wait_for(gateway.heartbeats)
        await gateway.configure(configuration("v2", BROKEN, {"name": "newer"}))
        await gateway.wait_for(lambda: names(gateway) == ["broken", "newer"])
    (tmp_path / "state/configuration").write_bytes(b"")
    (tmp_path / "state/workloads/newer").mkdir(parents=True)
    exported = tmp_path / "device/volumes/newer/film"
    exported.parent.mkdir(parents=True)
    exported.touch()
    gateway.sent.clear()

    async with running(gateway, tmp_path):
        await gateway.wait_for(lambda: any(h.get("version") == "v1" for h in gateway.heartbeats()))
        assert names(gateway) == ["broken", "newer"]
        assert exported.exists()
        await gateway.configure(configuration("v1", BROKEN))
        await gateway.wait_for(lambda: not exported.exists())


@pytest.mark.parametrize("field", ["workloads_version", "device_version", "resource_version"])
async def test_an_older_configuration_removes_nothing_until_one_comes_that_is_not_older(
    gateway: PlainGateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, field: str
) -> None:
    dated = partial(dated_by, field)
    monkeypatch.setattr(older_configuration, "ASK_AGAIN", (0.1, 0.1))
    gateway.statuses["configuration-wanted"] = [200]
    young, exported = {"name": "young"}, tmp_path / "device/volumes/young/film"

    async with registered(gateway, tmp_path):
        await gateway.configure(dated(100, BROKEN, young))
        await gateway.wait_for(lambda: "of 100" in versions(gateway))
        (tmp_path / "state/workloads/young").mkdir(parents=True)
        exported.parent.mkdir(parents=True)
        exported.touch()
        for _ in range(2):
            await gateway.configure(dated(99, BROKEN, {"name": "other"}))
        await gateway.wait_for(lambda: directives(gateway).count("configuration-wanted") >= 2)
        await gateway.wait_for(lambda: "of 99" in versions(gateway))
        assert names(gateway) == ["broken", "other", "young"]
    gateway.sent.clear()

    async with running(gateway, tmp_path):
        await gateway.wait_for(lambda: "of 99" in versions(gateway))
        await gateway.configure(dated(98, BROKEN))
        await gateway.wait_for(lambda: "of 98" in versions(gateway))
        assert names(gateway) == ["broken", "other", "young"]
        assert exported.exists()
        await gateway.configure(dated(100, BROKEN))
        await gateway.wait_for(lambda: not exported.exists())
        await gateway.wait_for(lambda: names(gateway) == ["broken"])
        asked = directives(gateway).count("configuration-wanted")
        await gateway.configure(configuration("after", BROKEN, young))
        await gateway.wait_for(lambda: "after" in versions(gateway))
    assert directives(gateway).count("configuration-wanted") == asked


async def test_it_is_reported_once_that_a_configuration_is_older(
    gateway: PlainGateway, tmp_path: Path
) -> None:
    async with registered(gateway, tmp_path):
        await take(gateway, dated(100, BROKEN, {"name": "young"}))
        await take(gateway, dated(99, BROKEN))
        await take(gateway, dated(98, BROKEN))
        await take(gateway, dated(97, BROKEN, {"name": "other"}))
        await gateway.wait_for(lambda: warnings(gateway, "ConfigurationOlder"))

    [older] = warnings(gateway, "ConfigurationOlder")
    assert "EdgeWorkloads 98 after 100)" in older
    assert older.endswith("Kept: young")


async def test_one_older_configuration_alone_is_not_reported(
    gateway: PlainGateway, tmp_path: Path
) -> None:
    young = {"name": "young"}
    async with registered(gateway, tmp_path):
        await take(gateway, dated(100, BROKEN, young))
        await take(gateway, dated(99, BROKEN))
        await take(gateway, dated(101, BROKEN, young))
        await take(gateway, dated(98, BROKEN))

    assert warnings(gateway, "ConfigurationOlder") == []


async def test_an_older_configuration_that_stays_the_same_is_reported(
    gateway: PlainGateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(older_configuration, "ASK_AGAIN", (0.1, 0.1))
    gateway.statuses["configuration-wanted"] = [200]
    async with registered(gateway, tmp_path):
        await take(gateway, dated(100, BROKEN, {"name": "young"}))
        await take(gateway, dated(99, BROKEN))
        await gateway.wait_for(lambda: warnings(gateway, "ConfigurationOlder"))


async def test_a_device_that_was_disconnected_forgets_how_new_its_configuration_was(
    gateway: PlainGateway, tmp_path: Path
) -> None:
    async with registered(gateway, tmp_path):
        await gateway.configure(dated(100, BROKEN))
        await gateway.wait_for(gateway.heartbeats)
        assert (tmp_path / "state/newest-inputs.json").exists()
        await gateway.disconnect()

    assert not (tmp_path / "state/newest-inputs.json").exists()
