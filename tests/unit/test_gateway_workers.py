"""Workers on the gateway's side: who is fed, and who not any more."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from grpclib.server import Server, Stream

from flotta.gateway.settings import Timing
from flotta.gateway.workers import Workers
from flotta.protocol.grpc import Data, EventNotification, EventReceipt, Response, WorkerBase


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
