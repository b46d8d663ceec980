"""How a poll handles a response that does not belong to the device's present certificate."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from flotta.gateway.edge_api_client import Channel
from flotta.gateway.http_client import HttpResponse
from flotta.gateway.outbox import Outbox
from flotta.gateway.polls import Poll
from flotta.gateway.renewal import Renewal
from flotta.gateway.settings import Settings
from flotta.protocol.grpc import Data

SETTINGS = Settings("edge.example", 8043, "till-7", Path("cert.pem"), Path("key.pem"), ())


class Device:
    """Store and target in one: it has a certificate, and may renew it during a poll."""

    def __init__(self, *, renews: bool) -> None:
        self.fingerprint = "first"
        self._renews = renews

    def load_current(self) -> Any:
        return SimpleNamespace(is_device=True, peer=SimpleNamespace(fingerprint=self.fingerprint))

    async def poll(self, channel: str, etag: str | None) -> HttpResponse:
        used = self.load_current()
        if self._renews:
            self.fingerprint = "second"
        return HttpResponse(401, {}, identity=used)


class ReplacedDevice(Device):
    """A new certificate is installed, but the kept connection still shows the first one."""

    def __init__(self) -> None:
        super().__init__(renews=False)
        self._used, self.fingerprint = self.load_current(), "second"

    async def poll(self, channel: str, etag: str | None) -> HttpResponse:
        return HttpResponse(401, {}, identity=self._used)


async def nothing_new(_: bytes) -> bool:
    return False


@pytest.mark.parametrize(
    ("device", "demands"),
    [(Device(renews=False), 1), (Device(renews=True), 0), (ReplacedDevice(), 0)],
)
async def test_only_the_present_certificate_is_renewed_when_it_is_refused(
    device: Device, demands: int
) -> None:
    poll = Poll("data", SETTINGS, device, device, nothing_new)  # type: ignore[arg-type]
    renewal = Renewal(device, None, None, SETTINGS.timing, "till-7")  # type: ignore[arg-type]
    demanded: list[bool] = []
    poll.on_unauthorized = lambda refused: demanded.append(renewal.demand(refused))

    await poll.poll_once()

    assert demanded.count(True) == demands
    assert renewal._demanded.is_set() == bool(demands)


@pytest.mark.parametrize(
    ("channel", "headers", "hurries"),
    [("data", {"etag": '"1"'}, True), ("data", {}, False), ("control", {}, True)],
)
async def test_only_a_server_that_can_hold_is_asked_again_soon_for_configurations(
    channel: Channel, headers: dict[str, str], *, hurries: bool
) -> None:
    class Server(Device):
        async def poll(self, channel: str, etag: str | None) -> HttpResponse:
            return HttpResponse(200, headers, b"something new")

    async def something_new(_: bytes) -> bool:
        return True

    server = Server(renews=False)
    poll = Poll(channel, SETTINGS, server, server, something_new)  # type: ignore[arg-type]

    delay = await poll.poll_once()

    timing = SETTINGS.timing
    assert (delay == timing.quick_response) if hurries else (delay >= timing.quick_delay)


async def test_a_worker_that_wants_the_configuration_gets_it_although_it_did_not_change() -> None:
    named: list[str | None] = []

    class Server(Device):
        async def poll(self, channel: Channel, etag: str | None) -> HttpResponse:
            named.append(etag)
            return HttpResponse(304 if etag else 200, {"etag": '"1"'}, b"" if etag else b"it")

    server = Server(renews=False)
    poll = Poll("data", SETTINGS, server, server, nothing_new)  # type: ignore[arg-type]
    outbox = Outbox("till-7", None, None, None, None)  # type: ignore[arg-type]
    outbox.on_configuration_wanted = poll.forget
    for _ in range(2):
        await poll.poll_once()

    answer = await outbox.send(Data(directive="configuration-wanted", content=b"{}"))

    await poll.poll_once()
    assert b'"StatusCode":200' in answer
    assert named == [None, '"1"', None]


async def test_a_command_is_carried_out_before_the_acceptance_is_announced() -> None:
    """A removed device that was quarantined must not start its pods first."""
    done: list[str] = []

    class Server(Device):
        async def poll(self, channel: Channel, etag: str | None) -> HttpResponse:
            return HttpResponse(200, {}, b"disconnect", identity=self.load_current())

    async def execute(_: bytes) -> bool:
        done.append("executed")
        return True

    server = Server(renews=False)
    poll = Poll("control", SETTINGS, server, server, execute)  # type: ignore[arg-type]
    poll.on_accepted = lambda _: done.append("accepted")
    await poll.poll_once()
    assert done == ["executed", "accepted"]
