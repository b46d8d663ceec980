"""Configuration, commands and messages between Edge API and worker."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from device_site import DeviceFiles, TestWorker, running, with_timing, worker_of
from grpclib.const import Status
from grpclib.exceptions import GRPCError
from small_edge_api import SmallEdgeApi, serving

from flotta.backoff import Backoff
from flotta.gateway import tls_connection
from flotta.gateway.settings import Settings
from flotta.identity.authority import Authority
from flotta.protocol.grpc import CONNECTION_RESTORED, UNEXPECTED_DISCONNECT, Data
from waiting import eventually


@pytest.fixture
def settings(files: DeviceFiles, api: SmallEdgeApi) -> Settings:
    return joined(files, api)


def joined(files: DeviceFiles, api: SmallEdgeApi) -> Settings:
    """Give the device what it has after it joined this Edge API at its present address."""
    files.give_identity(api.authority)
    registration = api.authority.issue_registration()
    return files.configure(api.server, api.authority.certificate_pem, registration)


@pytest.fixture(autouse=True)
def logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


@pytest.fixture(autouse=True)
def quick_attempts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the gateway notice at once, and not after six seconds, that nothing listens."""
    monkeypatch.setattr(tls_connection, "CONNECT_RETRY", (0.1, 0.1))
    monkeypatch.setattr(tls_connection, "MAX_RETRIES", 2)


def publish(api: SmallEdgeApi, version: str) -> None:
    api.content = {**api.content, "version": version}
    api.change()


async def test_change_reaches_the_worker_through_the_held_poll(
    settings: Settings, api: SmallEdgeApi
) -> None:
    settings = with_timing(settings, hold=20)
    async with running(settings), worker_of(settings) as worker:
        await worker.register()
        await eventually(lambda: worker.configurations and api.held == 2)
        publish(api, "2")
        await eventually(lambda: len(worker.configurations) == 2)
        assert worker.configurations[-1]["version"] == "2"
        polls = [what for _, what in api.requests if what == "data"]
        assert len(polls) <= 3


async def test_only_the_latest_configuration_is_delivered_to_a_late_worker(
    settings: Settings, api: SmallEdgeApi
) -> None:
    async with running(settings), worker_of(settings) as worker:
        for version in ("2", "3", "4"):
            publish(api, version)
            await eventually(lambda known=version: known in api.known)
        await worker.register()
        await eventually(lambda: worker.configurations)
        publish(api, "5")
        await eventually(lambda: worker.configurations[-1]["version"] == "5")
    assert [configuration["version"] for configuration in worker.configurations] == ["4", "5"]


async def test_restarted_worker_gets_the_last_configuration_even_offline(
    files: DeviceFiles, tmp_path: Path
) -> None:
    api = SmallEdgeApi(Authority.create("Flotta CA"))
    settings = joined(files, api)
    async with running(settings):
        async with serving(api, tmp_path), worker_of(settings) as first:
            await first.register()
            await eventually(lambda: first.configurations)
        async with worker_of(settings) as second:
            assert (await second.register()).registered
            await eventually(lambda: second.configurations == first.configurations)


async def test_restarted_gateway_finds_the_worker_that_stayed(
    settings: Settings, api: SmallEdgeApi
) -> None:
    async with worker_of(settings) as worker:
        async with running(settings):
            await worker.register()
            await eventually(lambda: len(worker.configurations) == 1)
        async with running(settings):
            await eventually(lambda: len(worker.configurations) == 2)


async def test_old_server_is_polled_with_pauses_and_delivered_once(
    settings: Settings, api: SmallEdgeApi
) -> None:
    api.holds = False
    async with running(settings), worker_of(settings) as worker:
        await worker.register()
        await eventually(lambda: api.requests.count(("device", "data")) >= 3)
        await eventually(lambda: api.requests.count(("device", "control")) >= 3)
        publish(api, "2")
        await eventually(lambda: len(worker.configurations) == 2)
        begun = time.monotonic()
        before = polls(api)
        await eventually(lambda: polls(api) >= before + 6)
        pause = settings.timing.quick_delay
        assert polls(api) - before <= 2 * ((time.monotonic() - begun) / pause + 1)


def polls(api: SmallEdgeApi) -> int:
    return sum(what in ("control", "data") for _, what in api.requests)


async def test_stuck_message_blocks_no_other(settings: Settings, api: SmallEdgeApi) -> None:
    api.stuck.add("metrics")
    async with running(settings), worker_of(settings) as worker:
        stuck = asyncio.create_task(worker.send("metrics", {}))
        await eventually(lambda: api.sent("metrics"))
        assert (await worker.send("heartbeat", {}))["StatusCode"] == 200
        assert not stuck.done()
        stuck.cancel()


async def test_message_that_is_never_answered_is_given_up(
    settings: Settings, api: SmallEdgeApi
) -> None:
    api.stuck.add("metrics")
    settings = with_timing(settings, response_timeout=0.5)
    async with running(settings), worker_of(settings) as worker:
        assert await worker.send("metrics", {}) == {}


async def test_messages_share_one_kept_connection(settings: Settings, api: SmallEdgeApi) -> None:
    async with running(settings) as gateway, worker_of(settings) as worker:
        idle = gateway._edge_api._idle
        await eventually(
            lambda: api.events("connection-status") and idle
        )  # nothing else is sent now
        (kept,) = (http._connection for http in idle)
        for _ in range(3):
            assert (await worker.send("heartbeat", {}))["StatusCode"] == 200
        assert [http._connection for http in idle] == [kept]


async def test_outage_is_logged_once_and_ends_by_itself(
    files: DeviceFiles, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    api = SmallEdgeApi(Authority.create("Flotta CA"))
    async with serving(api, tmp_path):
        settings = joined(files, api)
    async with running(settings), worker_of(settings) as worker:
        await worker.register()
        assert await worker.send("heartbeat", {}) == {}
        async with serving(api, tmp_path):
            await eventually(lambda: worker.configurations)
            await eventually(lambda: "poll for data: works again" in caplog.text)
    assert caplog.text.count("poll for data: localhost") == 1
    assert "[EdgeApiUnreachable]" in caplog.text


class CountingBackoff(Backoff):
    """Pauses between the attempts at a connection; counts all attempts that failed."""

    failed = 0

    def next(self, at_least: float | None = None) -> float:
        CountingBackoff.failed += 1
        return super().next(at_least)


async def test_server_that_comes_back_soon_is_not_reported(
    files: DeviceFiles,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(CountingBackoff, "failed", 0)
    monkeypatch.setattr(tls_connection, "Backoff", CountingBackoff)
    monkeypatch.setattr(tls_connection, "MAX_RETRIES", 10_000)
    api = SmallEdgeApi(Authority.create("Flotta CA"))
    async with serving(api, tmp_path):
        settings = joined(files, api)
    async with running(settings), worker_of(settings) as worker:
        message = asyncio.create_task(worker.send("heartbeat", {}))
        await eventually(lambda: CountingBackoff.failed >= 10)
        async with serving(api, tmp_path):
            assert (await message)["StatusCode"] == 200
    assert "cannot be reached" not in caplog.text


async def test_ping_is_answered_with_reference_to_it(settings: Settings, api: SmallEdgeApi) -> None:
    async with running(settings):
        await eventually(lambda: ("device", "control") in api.requests)
        api.command = "ping"
        api.change()
        await eventually(lambda: "pong" in api.events("event"))
        api.command = None
    pong = next(message for _, message in api.posted if message["content"] == "pong")
    assert pong["response_to"]


def told(worker: TestWorker) -> list[tuple[int, str]]:
    """Return the events that a worker was told, with what is said about its pods."""
    return [(event.name, event.metadata.get("pods", "")) for event in worker.events]


async def test_workers_are_told_that_the_device_is_quarantined_and_when_that_ends(
    settings: Settings, api: SmallEdgeApi
) -> None:
    free, shut = (CONNECTION_RESTORED, ""), (UNEXPECTED_DISCONNECT, "Stop")
    async with running(settings), worker_of(settings) as worker:
        await worker.register()
        await eventually(lambda: told(worker) == [free] and api.held == 2)

        api.quarantine = "Stop"
        api.change()
        await eventually(lambda: told(worker) == [free, shut])
        assert worker.events[-1].detail == "DeviceQuarantined"
        refused = len(api.requests)
        await eventually(lambda: len(api.requests) > refused + 3)
        assert told(worker) == [free, shut]  # once, however often the poll is refused

        api.quarantine = ""
        await eventually(lambda: told(worker) == [free, shut, free])
        assert worker.disconnects == 0


async def test_a_worker_that_registers_later_is_told_that_the_device_is_quarantined(
    settings: Settings, api: SmallEdgeApi
) -> None:
    api.quarantine = "Keep"
    async with running(settings), worker_of(settings) as worker:
        await eventually(lambda: len(api.requests) > 3)
        await worker.register()
        await eventually(lambda: told(worker) == [(UNEXPECTED_DISCONNECT, "Keep")])


async def test_a_refusal_for_another_reason_tells_workers_nothing(
    settings: Settings, api: SmallEdgeApi
) -> None:
    api.refuse_before = 1
    async with running(settings), worker_of(settings) as worker:
        await worker.register()
        await eventually(lambda: len(api.requests) > 3)

        assert (UNEXPECTED_DISCONNECT, "") not in told(worker)


async def test_unknown_commands_and_garbage_are_logged_only(
    settings: Settings, api: SmallEdgeApi, caplog: pytest.LogCaptureFixture
) -> None:
    api.command = "explode"
    api.content = {}
    async with running(settings), worker_of(settings) as worker:
        await eventually(lambda: "unknown command 'explode' [UnreadableMessage]" in caplog.text)
        assert (await worker.send("heartbeat", {}))["StatusCode"] == 200


async def test_disconnect_is_confirmed_only_after_a_worker_cleaned_up(
    settings: Settings,
    api: SmallEdgeApi,
    files: DeviceFiles,
    caplog: pytest.LogCaptureFixture,
) -> None:
    api.command = "disconnect"
    async with running(settings), worker_of(settings) as worker:
        await eventually(
            lambda: "workloads and data are removed now [DeviceRemoved]" in caplog.text
        )
        await eventually(lambda: "cleans up [WorkerUnavailable]" in caplog.text)
        for _ in range(3):
            assert (await worker.send("heartbeat", {}))["StatusCode"] == 200
        assert not api.events("event")  # nobody is there to clean up
        await worker.register()
        await eventually(lambda: api.events("event") == ["disconnect"])
        await eventually(lambda: not (files.pki / "device/current").exists())
        assert worker.disconnects == 1
        parked = json.loads((files.state / "decommissioned").read_text())
        assert parked["device_id"] == "till-7"
        count = len(api.requests)
        api.change()  # who still asked would be answered, and ask again
        assert await worker.send("heartbeat", {}) == {}
        assert await worker.send("enrolment", {"features": {}}) == {}
    assert len(api.requests) == count
    assert (files.pki / "cert.pem").exists()


async def test_parked_device_stays_parked_over_restarts_until_the_marker_is_removed(
    settings: Settings, api: SmallEdgeApi, files: DeviceFiles
) -> None:
    (files.state / "decommissioned").write_text("{}")
    async with running(settings), worker_of(settings) as worker:
        await worker.register()
        await eventually(lambda: worker.disconnects == 1)
        assert await worker.send("enrolment", {"features": {}}) == {}
    assert not files.serial  # the identity that a power cut had left was removed
    assert not api.requests
    (files.state / "decommissioned").unlink()
    async with running(settings), worker_of(settings) as worker:
        await worker.register()
        await worker.join()
        await eventually(lambda: worker.configurations)


async def test_second_living_worker_is_refused_and_a_dead_one_replaced(
    settings: Settings, api: SmallEdgeApi
) -> None:
    async with running(settings), worker_of(settings) as first, worker_of(settings) as second:
        assert (await first.register()).registered
        assert not (await second.register(pid=os.getppid())).registered
        dead = subprocess.Popen([sys.executable, "-c", ""])
        dead.wait()
    async with running(settings), worker_of(settings) as third, worker_of(settings) as fourth:
        assert (await third.register(pid=dead.pid)).registered
        await third.close()
        assert (await fourth.register()).registered


async def test_malformed_messages_of_a_worker_are_refused(
    settings: Settings, api: SmallEdgeApi
) -> None:
    async with running(settings), worker_of(settings) as worker:
        for data in (
            Data(directive="heartbeat", content=b"{} {}"),
            Data(directive="heartbeat", content=b"[" * 5000 + b"]" * 5000),
            Data(directive="https://elsewhere.example/", content=b"{}"),
        ):
            with pytest.raises(GRPCError) as refusal:
                await worker.dispatcher.Send(data, timeout=30)
            assert refusal.value.status is Status.INVALID_ARGUMENT
    assert not api.sent("heartbeat")


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Return a folder that every user can enter, which those of pytest are not."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.skipif(os.getuid() != 0, reason="changes its user id")
async def test_processes_of_other_users_are_refused(
    settings: Settings, api: SmallEdgeApi, caplog: pytest.LogCaptureFixture, open_folder: Path
) -> None:
    settings = dataclasses.replace(settings, socket=open_folder / "gateway.sock")
    program = (
        "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]);"
        "s.settimeout(30); print(len(s.recv(100)))"
    )
    command = [sys.executable, "-c", program, str(settings.socket)]
    async with running(settings):
        assert oct(settings.socket.stat().st_mode)[-3:] == "660"
        own = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
        assert int((await own.communicate())[0]) > 0
        settings.socket.chmod(0o666)
        other = await asyncio.create_subprocess_exec(
            "setpriv", "--reuid=65534", "--clear-groups", *command, stdout=subprocess.PIPE
        )
        assert (await other.communicate())[0].strip() == b"0"
    assert "Refused a local connection of user id 65534" in caplog.text
