"""Workers on the gateway's side: who is fed, and who not any more."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from grpclib.const import Status
from grpclib.exceptions import GRPCError
from grpclib.server import Server, Stream

from flotta.gateway import workers as workers_module
from flotta.gateway.settings import Timing
from flotta.gateway.workers import Workers
from flotta.protocol.grpc import (
    CONNECTION_RESTORED,
    Data,
    EventNotification,
    EventReceipt,
    Response,
    WorkerBase,
)
from waiting import eventually


class SilentWorker(WorkerBase):
    """Takes a message and never answers."""

    def __init__(self) -> None:
        self.messages = 0
        self.asked = asyncio.Event()

    async def Send(self, stream: Stream[Data, Response]) -> None:  # noqa: N802 (gRPC name)
        await stream.recv_message()
        self.messages += 1
        self.asked.set()
        await asyncio.Event().wait()

    async def NotifyEvent(  # noqa: N802 (gRPC name)
        self, stream: Stream[EventNotification, EventReceipt]
    ) -> None:
        """No event is sent here."""


class BusyWorker(SilentWorker):
    """Confirms an event only when it is told a second time."""

    def __init__(self) -> None:
        super().__init__()
        self.events = 0
        self.confirmed = asyncio.Event()

    async def NotifyEvent(  # noqa: N802 (gRPC name)
        self, stream: Stream[EventNotification, EventReceipt]
    ) -> None:
        await stream.recv_message()
        self.events += 1
        if self.events == 1:
            raise GRPCError(Status.INTERNAL, "busy")
        await stream.send_message(EventReceipt())
        self.confirmed.set()


class DeafWorker(WorkerBase):
    """Confirms no event, or each at once."""

    def __init__(self, *, confirms: bool) -> None:
        self.confirms = confirms

    async def Send(self, stream: Stream[Data, Response]) -> None:  # noqa: N802 (gRPC name)
        """No message is sent here."""

    async def NotifyEvent(  # noqa: N802 (gRPC name)
        self, stream: Stream[EventNotification, EventReceipt]
    ) -> None:
        await stream.recv_message()
        if not self.confirms:
            await asyncio.Event().wait()
        await stream.send_message(EventReceipt())


async def test_a_device_leaves_at_once_although_another_worker_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers_module, "OTHERS_TIMEOUT", 0.1)
    workers = Workers(tmp_path, Timing(cleanup_timeout=600), lambda: None)
    servers = []
    for handler in ("device", "echo"):
        path = workers.register(handler, os.getpid(), {})
        servers.append(Server([DeafWorker(confirms=handler == "device")]))
        await servers[-1].start(path=path)

    async with asyncio.timeout(60):
        await workers.disconnect()

    workers.close()
    for server in servers:
        server.close()


async def test_an_event_is_repeated_until_it_is_confirmed_and_the_log_says_when_that_fails(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "flotta.gateway.workers")
    busy = BusyWorker()
    server = Server([busy])
    await server.start(path=str(tmp_path / "device.sock"))
    workers = Workers(tmp_path, Timing(retry_first=0.01, retry_cap=0.01), lambda: None)
    workers.announce(EventNotification(name=CONNECTION_RESTORED))
    workers.register("device", os.getpid(), {})

    await busy.confirmed.wait()
    await eventually(lambda: caplog.messages[-1:] == ["event for worker device: works again"])

    [warning] = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert warning.startswith("event for worker device: ")
    assert warning.endswith(" [WorkerUnavailable]")
    workers.close()
    server.close()


async def test_a_worker_that_registers_again_in_a_call_is_fed_by_the_new_registration_only(
    tmp_path: Path,
) -> None:
    silent = SilentWorker()
    server = Server([silent])
    await server.start(path=str(tmp_path / "device.sock"))
    workers = Workers(tmp_path, Timing(retry_first=0.01, retry_cap=0.01), lambda: None)
    workers.deliver(Data(message_id="m", directive="device", content=b"{}"))
    workers.register("device", os.getpid(), {})
    [former] = (task for task in asyncio.all_tasks() if task.get_name() == "feed device")
    await silent.asked.wait()

    workers.register("device", os.getpid(), {})

    await asyncio.wait([former], timeout=60)
    assert former.done()
    workers.close()
    server.close()
