"""The gateway goes on whatever is on its disk and whatever it is sent."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from flotta.gateway import inbox
from flotta.gateway.clock import Clock
from flotta.gateway.decommission import Decommission
from flotta.gateway.http_client import HttpResponse
from flotta.gateway.identity_store import IdentityStore
from flotta.gateway.polls import UNREADABLE_DELAY, Poll
from flotta.gateway.settings import Settings, Timing
from flotta.gateway.workers import MAX_WAITING, Workers
from flotta.identity.authority import Authority
from flotta.protocol.grpc import Data
from small_disk import mount_small_disk
from waiting import eventually

DAMAGE = [b"", b"\xff" * 5000, b"-----BEGIN CERTIFICATE-----\n", b"[" * 100_000, None]


def damage(path: Path, content: bytes | None) -> None:
    """Write content, or make the file larger than memory."""
    path.write_bytes(content or b"")
    if content is None:
        os.truncate(path, 1 << 40)


@pytest.fixture
def store(tmp_path: Path) -> IdentityStore:
    authority = Authority.create("Flotta CA")
    registration = authority.issue_registration()
    (tmp_path / "ca.pem").write_bytes(authority.certificate_pem)
    (tmp_path / "cert.pem").write_bytes(registration.certificate)
    (tmp_path / "key.pem").write_bytes(registration.key)
    files = (tmp_path / "cert.pem", tmp_path / "key.pem")
    return IdentityStore(tmp_path / "device", files, (tmp_path / "ca.pem",), "till-7")


@pytest.mark.parametrize("content", DAMAGE)
def test_damaged_and_huge_identity_files_are_passed_over(
    store: IdentityStore, tmp_path: Path, content: bytes | None
) -> None:
    folder = tmp_path / "device"
    (folder / "1").mkdir(parents=True)
    for name in ("1/cert.pem", "1/key.pem", "pending.pem", "2", "current"):
        damage(folder / name, content)
    store.rewrite_keys()
    assert not store.load_current().is_device
    store.ensure_pending_key()
    assert store.wipe() == []
    assert os.listdir(folder) == []
    damage(tmp_path / "ca.pem", content)
    assert store.load_identities()


@pytest.mark.parametrize("content", [*DAMAGE, b"9999-99-99", b"0001-01-01T00:00:00"])
def test_a_damaged_time_is_no_time(tmp_path: Path, content: bytes | None) -> None:
    damage(tmp_path / "clock", content)
    assert Clock(tmp_path / "clock").now().year >= 2020


@pytest.fixture
async def workers(tmp_path: Path) -> Workers:
    return Workers(tmp_path, Timing(), lambda: None)


def message(**fields: Any) -> bytes:
    return json.dumps({"type": "data", "directive": "device", "content": {}} | fields).encode()


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {"a": value}
    return value


HOSTILE = [
    b"[" * 500_000,
    b'{"a":' * 200_000,
    b"\xff\xfe",
    b"1" * 100_000,
    message(directive="x" * 1000),
    message(message_id="x" * 1_000_000),
    message(response_to="x" * 1_000_000),
    message(type="x" * 1_000_000),
    message(content=deep(900), metadata={"a": deep(900)}),
    message(metadata=[]),
]


@pytest.mark.parametrize("body", HOSTILE, ids=range(len(HOSTILE)))
async def test_a_hostile_message_delays_the_next_poll_and_nothing_else(
    workers: Workers, tmp_path: Path, body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    settings: Any = SimpleNamespace(device_id="till-7", timing=Timing())
    poll = Poll(
        "data",
        settings,
        SimpleNamespace(),  # type: ignore[arg-type]
        SimpleNamespace(),  # type: ignore[arg-type]
        lambda content: inbox.deliver_data(content, workers),
    )
    delay = await poll._handle_response(HttpResponse(200, {}, body, 60.0))
    assert delay in (UNREADABLE_DELAY, 0.0)
    assert len(caplog.text) < 5000


async def test_messages_for_workers_that_do_not_exist_are_limited(workers: Workers) -> None:
    kept = [
        workers.deliver(Data(message_id="m", directive=directive, content=b"{}"))
        for directive in (*"abcdefgh", "Not a handler", "../x")
    ]
    assert kept == [True] * MAX_WAITING + [False] * (len(kept) - MAX_WAITING)


async def test_a_disk_that_refuses_the_marker_parks_all_the_same_and_later_keeps_it(
    store: IdentityStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "device").mkdir()
    (tmp_path / "device/pending.pem").write_text("secret")
    with mount_small_disk(tmp_path / "state") as disk:
        disk.remount("ro")
        settings = Settings(
            host="edge",
            port=443,
            device_id="till-7",
            cert_file=tmp_path / "cert.pem",
            key_file=tmp_path / "key.pem",
            ca_root=(),
            state_folder=disk.path,
            timing=Timing(retry_first=0.01, retry_cap=0.01),
        )

        async def confirm(*_: object) -> HttpResponse:
            return HttpResponse(200, {}, b"", 0.0)

        async def answer() -> None:
            return

        async def wait() -> None:
            await asyncio.Event().wait()

        edge_api: Any = SimpleNamespace(post=confirm, reconnect=lambda: None)
        workers: Any = SimpleNamespace(
            forget_messages=lambda: None, disconnect=answer, wait_for_worker=wait
        )
        clock = Clock(disk.path / "clock")
        decommission = Decommission(settings, store, edge_api, workers, clock)
        await decommission.run("command")
        parked = asyncio.create_task(decommission.park())
        await eventually(lambda: "[NotStored]" in caplog.text)
        # With its certificates it gets the command again after a restart.
        assert os.listdir(tmp_path / "device") == ["pending.pem"]
        assert not parked.done()
        disk.remount("rw")
        await eventually(lambda: decommission.marker.exists())
        await eventually(lambda: not os.listdir(tmp_path / "device"))
        parked.cancel()
        await asyncio.wait((parked,))
