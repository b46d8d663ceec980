"""The device worker with a gateway on real sockets, from joining to disconnect.

Workloads that need podman and systemd are shown on whole hosts; here they are refused before they
get that far.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from plain_gateway import PlainGateway
from worker_site import BROKEN, configuration, directives, registered, running

from flotta.protocol.grpc import CONNECTION_RESTORED, UNEXPECTED_DISCONNECT, EventNotification
from flotta.protocol.unix_server import GuardedServer
from flotta.worker import older_configuration, reporting


async def test_the_device_registers_only_when_it_is_approved(
    gateway: PlainGateway, tmp_path: Path
) -> None:
    gateway.statuses["enrolment"] = [None, 200, 208]
    (tmp_path / "tags.toml").write_text('namespace = "plant-7"\n')

    async with registered(gateway, tmp_path):
        assert directives(gateway) == ["enrolment", "enrolment", "enrolment", "registration"]
    enrolment = gateway.sent[0].content
    assert enrolment["target_namespace"] == "plant-7"
    assert enrolment["features"]["hardware"]["hostname"] == socket.gethostname()
    assert "certificate_request" not in gateway.sent[-1].content


async def test_a_configuration_is_answered_by_a_heartbeat_with_every_workload(
    gateway: PlainGateway, tmp_path: Path
) -> None:
    async with registered(gateway, tmp_path):
        await gateway.configure(configuration("v1", BROKEN))
        await gateway.wait_for(lambda: any(h.get("version") == "v1" for h in gateway.heartbeats()))

    beats = gateway.heartbeats()
    [workload] = beats[-1]["workloads"]
    assert (workload["status"], workload["reason"]) == ("Error", "InvalidSpecification")
    assert workload["message"] == "the pod specification has no containers"
    events = [event for beat in beats for event in beat["events"]]
    assert [(e["reason"], e["workload"]) for e in events] == [("InvalidSpecification", "broken")]
    assert beats[-1]["agent_version"]


async def test_the_hardware_is_reported_when_the_control_plane_asks_for_it(
    gateway: PlainGateway, tmp_path: Path
) -> None:
    def described() -> list[bool]:
        return [bool(beat.get("hardware")) for beat in gateway.heartbeats()]

    async with registered(gateway, tmp_path):
        await gateway.configure(configuration("v1", period=60))
        await gateway.wait_for(described)
        assert not any(described())

        gateway.headers = {"Flotta-Wanted": "hardware"}
        await gateway.configure(configuration("v2", period=61))

        await gateway.wait_for(lambda: any(described()))
        gateway.headers = {}
    hardware = next(beat["hardware"] for beat in gateway.heartbeats() if beat.get("hardware"))
    assert hardware["hostname"] == socket.gethostname()


async def test_events_are_sent_until_the_control_plane_has_them(
    gateway: PlainGateway, tmp_path: Path
) -> None:
    def carried() -> list[int]:
        return [len(beat["events"]) for beat in gateway.heartbeats()]

    async with registered(gateway, tmp_path):
        gateway.statuses["heartbeat"] = [500]
        await gateway.configure(configuration("v1", BROKEN, period=1))
        await gateway.wait_for(lambda: 1 in carried())
        gateway.statuses["heartbeat"], before = [None], len(carried())
        await gateway.wait_for(lambda: len(carried()) > before)
        gateway.statuses["heartbeat"] = [200]
        await gateway.wait_for(lambda: carried()[-1] == 0)

    sent = carried()
    carried_later = sent[sent.index(1) :]
    assert len(carried_later) >= 4
    assert carried_later == [1] * (len(carried_later) - 1) + [0]


async def test_a_bad_configuration_is_reported_and_the_last_good_one_stays(
    gateway: PlainGateway, tmp_path: Path
) -> None:
    def reported() -> bool:
        events = [event for beat in gateway.heartbeats() for event in beat["events"]]
        return any(event["reason"] == "ConfigurationRefused" for event in events)

    async with registered(gateway, tmp_path):
        await gateway.configure(configuration("v1", BROKEN))
        await gateway.wait_for(gateway.heartbeats)
        await gateway.configure(b'{"version": "v2", "workloads": []}')
        await gateway.wait_for(reported)

    assert [w["name"] for w in gateway.heartbeats()[-1]["workloads"]] == ["broken"]


async def test_a_restarted_worker_goes_on_without_registering(
    gateway: PlainGateway, tmp_path: Path
) -> None:
    async with registered(gateway, tmp_path):
        await gateway.configure(configuration("v1", BROKEN))
        await gateway.wait_for(gateway.heartbeats)
    gateway.sent.clear()

    async with running(gateway, tmp_path):
        await gateway.wait_for(lambda: any(h.get("version") == "v1" for h in gateway.heartbeats()))

    assert set(directives(gateway)) == {"heartbeat"}


async def test_a_worker_that_lost_its_newest_configuration_removes_nothing_until_it_has_it_again(
    gateway: PlainGateway, tmp_path: Path
) -> None:
    def names() -> list[str]:
        beats = gateway.heartbeats()
        return [workload["name"] for workload in beats[-1]["workloads"]] if beats else []

    async with registered(gateway, tmp_path):
        await gateway.configure(configuration("v1", BROKEN))
        await gateway.wait_for(gateway.heartbeats)
        await gateway.configure(configuration("v2", BROKEN, {"name": "newer"}))
        await gateway.wait_for(lambda: names() == ["broken", "newer"])
    (tmp_path / "state/configuration").write_bytes(b"")
    (tmp_path / "state/workloads/newer").mkdir(parents=True)
    exported = tmp_path / "device/volumes/newer/film"
    exported.parent.mkdir(parents=True)
    exported.touch()
    gateway.sent.clear()

    async with running(gateway, tmp_path):
        await gateway.wait_for(lambda: any(h.get("version") == "v1" for h in gateway.heartbeats()))
        assert names() == ["broken", "newer"]
        assert exported.exists()
        await gateway.configure(configuration("v1", BROKEN))
        await gateway.wait_for(lambda: not exported.exists())


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


def names(gateway: PlainGateway) -> list[str]:
    """Return the workloads in the last heartbeat."""
    beats = gateway.heartbeats()
    return [workload["name"] for workload in beats[-1]["workloads"]] if beats else []


def versions(gateway: PlainGateway) -> list[str]:
    return [beat.get("version", "") for beat in gateway.heartbeats()]


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
        await gateway.wait_for(lambda: directives(gateway).count("configuration-wanted") >= 2)
        await take(gateway, dated(100, BROKEN))
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


async def test_a_device_whose_configuration_is_withheld_reports_what_is_installed(
    gateway: PlainGateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reporting, "UNCONFIGURED_DELAY", 0.0)
    (tmp_path / "state/workloads/till").mkdir(parents=True)

    async with running(gateway, tmp_path):
        await gateway.wait_for(gateway.heartbeats)
        assert directives(gateway) == ["enrolment", "registration", "heartbeat"]
        assert names(gateway) == ["till"]
        await gateway.configure(configuration("v1", BROKEN))
        await gateway.wait_for(lambda: names(gateway) == ["broken"])


async def test_a_gateway_that_comes_back_finds_the_worker_again(
    gateway: PlainGateway, tmp_path: Path
) -> None:
    async with registered(gateway, tmp_path):
        await gateway.stop()
        await gateway.start()
        await gateway.wait_for(lambda: gateway.registrations >= 2)
        await gateway.configure(configuration("v1"))
        await gateway.wait_for(gateway.heartbeats)


async def test_a_disconnected_device_forgets_everything_until_the_gateway_starts_again(
    gateway: PlainGateway, tmp_path: Path
) -> None:
    async with registered(gateway, tmp_path):
        await gateway.configure(configuration("v1", BROKEN))
        await gateway.wait_for(gateway.heartbeats)

        await gateway.disconnect()

        assert list((tmp_path / "state").iterdir()) == []
        gateway.sent.clear()
        await gateway.configure(configuration("v2", BROKEN))
        assert gateway.sent == []

        await gateway.stop()
        await gateway.start()
        await gateway.wait_for(lambda: "registration" in directives(gateway))
        assert gateway.heartbeats() == []


async def test_a_quarantine_that_stops_pods_is_remembered_until_the_device_is_released(
    gateway: PlainGateway, tmp_path: Path
) -> None:
    mark = tmp_path / "state/pods-stopped"
    async with registered(gateway, tmp_path):
        await gateway.configure(configuration("v1", BROKEN))
        await gateway.notify(quarantine("Stop"))
        assert mark.exists()
    gateway.sent.clear()

    async with running(gateway, tmp_path):
        await gateway.wait_for(gateway.heartbeats)
        assert mark.exists()
        await gateway.notify(quarantine("Keep"))
        assert not mark.exists()
        await gateway.notify(quarantine("Stop"))
        await gateway.notify(EventNotification(name=CONNECTION_RESTORED))
        assert not mark.exists()
        assert (tmp_path / "state/configuration").exists()


async def test_a_quarantined_device_is_wiped_when_it_is_decommissioned(
    gateway: PlainGateway, tmp_path: Path
) -> None:
    async with registered(gateway, tmp_path):
        await gateway.configure(configuration("v1", BROKEN))
        await gateway.notify(quarantine("Stop"))

        await gateway.disconnect()

        left = {path.name for path in (tmp_path / "state").iterdir()}
        assert left <= {"sync.db", "sync.db-wal", "sync.db-shm", "workloads"}


def quarantine(pods: str) -> EventNotification:
    return EventNotification(
        name=UNEXPECTED_DISCONNECT, detail="DeviceQuarantined", metadata={"pods": pods}
    )


async def test_a_stranger_on_the_local_socket_is_refused(tmp_path: Path) -> None:
    server = GuardedServer([], frozenset({4242}))
    await server.listen(str(tmp_path / "x.sock"), "no-such-group")
    reader, writer = await asyncio.open_unix_connection(tmp_path / "x.sock")
    with contextlib.suppress(ConnectionResetError):
        assert await reader.read() == b""
    writer.close()
    server.close()

    assert (tmp_path / "x.sock").stat().st_mode & 0o777 == 0o660
