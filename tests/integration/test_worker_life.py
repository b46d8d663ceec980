"""The device worker with a gateway on real sockets, from joining to disconnect.

Workloads that need podman and systemd are shown on whole hosts; here they are refused before they
get that far.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from pathlib import Path

import pytest
from worker_site import (
    BROKEN,
    configuration,
    directives,
    names,
    registered,
    running,
    settings,
)

from flotta.protocol.grpc import CONNECTION_RESTORED, UNEXPECTED_DISCONNECT, EventNotification
from flotta.protocol.models import EnrolmentInfo
from flotta.protocol.unix_server import GuardedServer
from flotta.worker import reporting
from flotta.worker.gateway_client import GatewayClient, WorkerService
from plain_gateway import PlainGateway


async def test_a_message_without_a_response_does_not_outlive_the_worker(
    gateway: PlainGateway, tmp_path: Path
) -> None:
    gateway.silent.add("enrolment")
    service = WorkerService(lambda _: None, asyncio.Event().wait, lambda _: None)
    client = GatewayClient(settings(gateway.address, tmp_path), service)
    connection = asyncio.create_task(client.run())
    message = asyncio.create_task(client.send("enrolment", EnrolmentInfo()))
    await gateway.wait_for(lambda: directives(gateway) == ["enrolment"])
    connection.cancel()  # all tasks of a worker are cancelled at once, this one first or not
    message.cancel()
    await asyncio.wait({connection, message})
    assert message.cancelled()  # who takes it for a failure tries again, and the worker never ends


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
