"""The gate of every server: whom a flood costs, and whom it does not."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from gate_site import GET, NEVER, PATIENT, Client, GateSite, gate_site, keep_up

from flotta.serving import listener, pending, unfinished
from flotta.serving.limits import Limits
from waiting import eventually

ROOMY = Limits(total=200, handshakes=100)
HALF_A_REQUEST = b"GET / HTTP/1.1\r\nHost: ga"
SLOW_BODY = b"POST / HTTP/1.1\r\nHost: gate\r\nContent-Length: 10\r\n\r\nhalf"


async def test_silent_connections_give_way_to_those_who_speak(tmp_path: Path) -> None:
    async with gate_site(tmp_path, Limits(total=100, handshakes=10)) as site:
        identity = site.identity("till-1")
        for _ in range(50):
            await site.connect_silently()

        assert (await site.ask(identity)).status == 200
        assert site.caps["handshakes"] >= 40


async def test_a_kept_up_flood_of_one_address_does_not_shut_out_another(tmp_path: Path) -> None:
    limits = Limits(total=400, handshakes=40)
    async with gate_site(tmp_path, limits, per_certificate=100) as site:
        identity = site.identity("till-1")
        flood = asyncio.create_task(keep_up(site.connect_silently))
        await eventually(lambda: sum(site.caps.values()) > 40)

        for _ in range(10):
            async with asyncio.TaskGroup() as group:
                answers = [group.create_task(site.ask(identity, "127.0.0.2")) for _ in range(10)]
            assert {task.result().status for task in answers} == {200}
        flood.cancel()


async def test_a_kept_up_flood_is_survived_where_addresses_are_hidden(tmp_path: Path) -> None:
    limits = Limits(total=400, handshakes=50, by_address=False)
    async with gate_site(tmp_path, limits) as site:
        identity = site.identity("till-1")
        flood = asyncio.create_task(keep_up(site.connect_silently))
        await eventually(lambda: site.caps["handshakes"] > 50)

        assert (await site.ask(identity)).status == 200
        flood.cancel()
        assert site.caps["address"] == 0


async def test_handshakes_that_stall_give_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pending, "STALLED", 0.0)
    async with gate_site(tmp_path, Limits(total=100, handshakes=10)) as site:
        identity = site.identity("till-1")
        for _ in range(30):
            raw = await site.connect_silently()
            raw.send(b"\x16")  # the first byte of a ClientHello

        assert (await site.ask(identity)).status == 200


async def test_handshakes_that_one_address_begins_do_not_shut_out_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pending, "STALLED", NEVER)
    monkeypatch.setattr(pending, "UNANSWERED", NEVER)
    async with gate_site(tmp_path, Limits(total=40, handshakes=10)) as site:
        for _ in range(15):
            raw = await site.connect_silently("127.0.0.2")
            raw.send(b"\x16")  # the first byte of a ClientHello
        other = await site.connect_silently("127.0.0.3")
        other.send(b"\x16")

        for name in ("till-1", "till-2"):
            assert (await site.ask(site.identity(name))).status == 200
        assert site.caps.keys() == {"handshakes"}
        other.setblocking(False)
        with pytest.raises(BlockingIOError):  # it is still pending
            other.recv(1)


async def test_a_part_of_a_client_hello_gives_way_where_addresses_are_hidden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pending, "STALLED", NEVER)
    monkeypatch.setattr(pending, "UNANSWERED", 0.0)
    async with gate_site(tmp_path, Limits(total=100, handshakes=10, by_address=False)) as site:
        for _ in range(10):
            raw = await site.connect_silently()
            raw.send(b"\x16\x03\x01")

        assert (await site.ask(site.identity("till-1"))).status == 200
        assert site.caps["handshakes"] >= 1


async def test_an_address_that_finishes_nothing_gets_half_of_the_handshakes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unfinished, "BURST", 2)
    monkeypatch.setattr(unfinished, "RATE", 1 / NEVER)
    noted: Counter[str] = Counter()
    note = unfinished.UnfinishedHandshakes.note

    def count(known: unfinished.UnfinishedHandshakes, host: str) -> None:
        noted[host] += 1
        note(known, host)

    monkeypatch.setattr(unfinished.UnfinishedHandshakes, "note", count)
    flooder, office = "127.0.0.2", "127.0.0.3"
    async with gate_site(tmp_path, Limits(total=400, handshakes=20), per_certificate=100) as site:
        identity = site.identity("till-1")

        async def begin(count: int) -> list[socket.socket]:
            begun = [await site.connect_silently(flooder) for _ in range(count)]
            for raw in begun:
                raw.send(b"\x16")
            return begun

        for raw in await begin(2):
            raw.close()  # a handshake that fails
        await eventually(lambda: noted[flooder] == 2)
        await begin(30)
        await eventually(lambda: site.caps["address"] >= 19)  # 11 of 20 are taken

        for _ in range(20):
            async with asyncio.TaskGroup() as group:
                answers = [group.create_task(site.ask(identity, office)) for _ in range(8)]
            assert {task.result().status for task in answers} == {200}
        assert noted[office] == 0
        assert site.caps["address"] == 19


async def test_those_that_wait_for_their_turn_are_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pending, "STALLED", NEVER)
    monkeypatch.setattr(pending, "UNANSWERED", NEVER)
    async with gate_site(tmp_path, Limits(total=40, handshakes=10)) as site:
        for _ in range(50):
            raw = await site.connect_silently("127.0.0.2")
            raw.send(b"\x16")

        assert (await site.ask(site.identity("till-1"))).status == 200
        await eventually(lambda: site.caps["address"] >= 25)


async def test_handshakes_in_progress_are_not_broken_off_for_further_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pending, "STALLED", NEVER)
    monkeypatch.setattr(pending, "UNANSWERED", NEVER)
    async with gate_site(tmp_path, Limits(total=400, handshakes=5)) as site:
        speaking = [await site.connect_silently() for _ in range(5)]
        for raw in speaking:
            raw.send(b"\x16")
        waiting = asyncio.create_task(site.ask(site.identity("till-1")))
        await asyncio.wait([waiting], timeout=0.5)

        assert not waiting.done()
        assert not site.caps
        speaking[0].close()
        assert (await waiting).status == 200


async def test_idle_connections_without_a_certificate_cost_only_each_other(tmp_path: Path) -> None:
    async with gate_site(tmp_path, Limits(total=60, handshakes=20)) as site:
        identity = site.identity("admin")
        first = await site.connect(site.no_identity())
        for _ in range(20):
            await site.connect(site.no_identity())

        assert await first.end() == b""
        assert (await site.ask(identity)).status == 200
        assert (await site.ask(site.no_identity())).status == 200
        assert site.caps["anonymous"] >= 17


async def test_idle_connections_of_one_certificate_cost_only_each_other(tmp_path: Path) -> None:
    async with gate_site(tmp_path, Limits(total=60, handshakes=20)) as site:
        good, greedy = site.identity("till-1"), site.identity("till-2")
        kept = await site.connect(good)
        assert (await kept.ask()).status == 200
        many = [await site.connect(greedy) for _ in range(30)]
        for client in many[:26]:
            await client.end()

        assert (await kept.ask()).status == 200
        assert (await site.ask(good)).status == 200
        assert (await many[-1].ask()).status == 200
        assert site.caps == {"certificate": 26}


async def test_the_newest_connection_of_a_device_is_served_when_all_others_are_held(
    tmp_path: Path,
) -> None:
    async with gate_site(tmp_path, ROOMY) as site:
        identity = site.identity("till-1")
        held = [await site.connect(identity) for _ in range(4)]
        for client in held:
            client.writer.write(GET.replace(b"/ ", b"/held "))
            await _is_served(site)

        newest = await site.connect(identity)

        assert (await newest.ask()).status == 200
        assert await held[0].end() == b""
        site.held.set()
        assert (await held[1].answer()).body == b"held"


async def _is_served(site: GateSite) -> None:
    """Return when the server has read what was sent before."""
    assert (await site.ask(site.identity("another"))).status == 200


async def test_a_full_server_keeps_those_it_has(tmp_path: Path) -> None:
    async with gate_site(tmp_path, Limits(total=5, handshakes=2)) as site:
        kept = [await site.connect(site.identity(f"till-{number}")) for number in range(5)]
        for client in kept:
            assert (await client.ask()).status == 200

        refused = await site.connect_silently()

        assert await asyncio.get_running_loop().sock_recv(refused, 1) == b""
        assert (await kept[0].ask()).status == 200
        assert site.caps == {"total": 1}


@pytest.mark.parametrize(
    ("deadline", "sent"),
    [("first_request", b""), ("first_request", HALF_A_REQUEST), ("idle", GET)],
)
async def test_a_connection_without_a_whole_request_is_closed(
    tmp_path: Path, deadline: str, sent: bytes
) -> None:
    deadlines = replace(PATIENT, **{deadline: 0.2})
    async with gate_site(tmp_path, ROOMY, deadlines=deadlines) as site:
        client = await site.connect(site.identity("till-1"))
        client.writer.write(sent)

        assert b"400" not in await client.end()


async def test_headers_that_trickle_are_cut_off(tmp_path: Path) -> None:
    deadlines = replace(PATIENT, headers=0.2)
    async with gate_site(tmp_path, ROOMY, deadlines=deadlines) as site:
        client = await site.connect(site.identity("till-1"))
        assert (await client.ask()).status == 200
        assert (await client.ask()).status == 200  # the deadline is that of headers, not of idling

        client.writer.write(HALF_A_REQUEST)
        trickle = asyncio.create_task(keep_up(lambda: _trickle(client)))

        assert await client.end() == b""
        trickle.cancel()


async def _trickle(client: Client) -> None:
    client.writer.write(b"X")
    await asyncio.sleep(0.01)


async def test_a_body_that_does_not_come_gets_a_408(tmp_path: Path) -> None:
    deadlines = replace(PATIENT, body=0.2)
    async with gate_site(tmp_path, ROOMY, deadlines=deadlines) as site:
        client = await site.connect(site.identity("till-1"))

        answer = await client.ask(SLOW_BODY)

        assert (answer.status, answer.json()["code"]) == (408, 408)
        assert await client.end() == b""


async def test_a_client_that_takes_no_data_is_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "UNACKNOWLEDGED", 1)
    async with gate_site(tmp_path, ROOMY) as site:
        client = await site.connect(site.identity("till-1"))
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        client.writer.write(GET.replace(b"/ ", b"/much "))
        await eventually(lambda: len(site.server._connections) == 1)

        await eventually(lambda: len(site.server._connections) == 0)


@pytest.mark.parametrize("deadline", ["hello", "handshake"])
async def test_a_handshake_that_does_not_come_is_given_up(
    tmp_path: Path, deadline: str, caplog: pytest.LogCaptureFixture
) -> None:
    deadlines = replace(PATIENT, **{deadline: 0.2})
    async with gate_site(tmp_path, ROOMY, deadlines=deadlines) as site:
        raw = await site.connect_silently()
        if deadline == "handshake":
            raw.send(b"\x16")

        assert await asyncio.get_running_loop().sock_recv(raw, 1) == b""
        assert "TLS handshake with 127.0.0.1 port" in caplog.text


async def test_what_came_while_the_machine_stood_still_is_looked_at(tmp_path: Path) -> None:
    async with gate_site(tmp_path, ROOMY, deadlines=replace(PATIENT, hello=0.2)) as site:
        gate = site.server._listener
        raw = await site.connect_silently()
        await eventually(lambda: len(gate._pending) == 1, pause=0)
        raw.send(b"\x16")
        time.sleep(0.5)
        gate._sweep()  # as a loop does that looks at its timers first

        (pending_one,) = gate._pending
        assert pending_one.has_spoken


@pytest.mark.parametrize(
    ("request_text", "status"),
    [
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        ("nonsense\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: gate\r\nX: " + "x" * 100_000 + "\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: gate\r\n" + "X: x\r\n" * 20_000 + "\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: g\r\nContent-Length: -1\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: g\r\nContent-Length: 99999\r\n\r\n" + "x" * 99999, 413),
        ("POST / HTTP/1.1\r\nHost: g\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx", 415),
        ("GET / HTTP/1.1\r\nHost: gate\r\nExpect: miracles\r\n\r\n", 417),
        ("GET /nowhere HTTP/1.1\r\nHost: gate\r\n\r\n", 404),
        ("PUT / HTTP/1.1\r\nHost: gate\r\n\r\n", 405),
    ],
)
async def test_what_is_wrong_with_a_request_is_told_in_json(
    tmp_path: Path, request_text: str, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    async with gate_site(tmp_path, ROOMY) as site:
        client = await site.connect(site.identity("till-1"))

        answer = await client.ask(request_text.encode())

        assert (answer.status, answer.json()["code"]) == (status, status)
        assert answer.headers["content-type"].startswith("application/json")
        assert answer.headers["server"] == "gate"
        assert "Traceback" not in caplog.text


V2 = b"\r\n\r\n\x00\r\nQUIT\n"
FROM_4 = bytes([192, 0, 2, 7, 127, 0, 0, 1]) + struct.pack("!HH", 4711, 443)
FROM_6 = bytes.fromhex("20010db8" + "00" * 11 + "07" + "00" * 16) + struct.pack("!HH", 4711, 443)


@pytest.mark.parametrize(
    ("header", "address"),
    [
        (b"PROXY TCP4 192.0.2.7 127.0.0.1 4711 443\r\n", "192.0.2.7"),
        (b"PROXY TCP6 2001:db8::7 ::1 4711 443\r\n", "2001:db8::7"),
        (b"PROXY UNKNOWN\r\n", "127.0.0.1"),
        (V2 + b"\x21\x11\x00\x0c" + FROM_4, "192.0.2.7"),
        (V2 + b"\x21\x11\x00\x0f" + FROM_4 + b"\x04\x00\x00", "192.0.2.7"),
        (V2 + b"\x21\x21\x00\x24" + FROM_6, "2001:db8::7"),
        (V2 + b"\x20\x00\x00\x00", "127.0.0.1"),
    ],
)
async def test_a_balancer_passes_on_the_address_of_a_client(
    tmp_path: Path, header: bytes, address: str
) -> None:
    async with gate_site(tmp_path, ROOMY, proxy_protocol=True) as site:
        client = await site.connect(site.identity("till-1"), header=header)

        assert (await client.ask()).body.decode() == address


@pytest.mark.parametrize(
    "header",
    [
        GET,
        b"PROXY TCP4 192.0.2.7\r\n",
        b"PROXY TCP4 192.0.2.700 127.0.0.1 4711 443\r\n",
        b"PROXY TCP6 192.0.2.7 127.0.0.1 4711 443\r\n",
        b"PROXY " + b"x" * 200,
        V2 + b"\x11\x11\x00\x0c" + FROM_4,
        V2 + b"\x21\x11\x00\x04abcd",
        V2 + b"\x21\x11\xff\xff",
    ],
)
async def test_a_connection_without_the_header_of_a_balancer_is_closed(
    tmp_path: Path, header: bytes
) -> None:
    async with gate_site(tmp_path, ROOMY, proxy_protocol=True) as site:
        raw = await site.connect_silently()
        raw.send(header)

        assert await _end_of(site, raw) == b""


async def _end_of(site: GateSite, raw: object) -> bytes:
    try:
        return await asyncio.get_running_loop().sock_recv(raw, 1)  # type: ignore[arg-type]
    except ConnectionError:
        return b""


async def test_addresses_behind_a_balancer_share_its_handshakes(tmp_path: Path) -> None:
    limits = Limits(total=400, handshakes=20)
    async with gate_site(tmp_path, limits, proxy_protocol=True) as site:
        identity = site.identity("till-1")

        async def flood() -> None:
            raw = await site.connect_silently()
            raw.send(b"PROXY TCP4 192.0.2.7 127.0.0.1 4711 443\r\n")

        flooding = asyncio.create_task(keep_up(flood))
        await eventually(lambda: sum(site.caps.values()) > 40)

        for _ in range(20):
            header = b"PROXY TCP4 198.51.100.1 127.0.0.1 4711 443\r\n"
            client = await site.connect(identity, header=header)
            assert (await client.ask()).body == b"198.51.100.1"
        flooding.cancel()


@pytest.mark.parametrize("look", [lambda site: site.connect(None)])
async def test_probes_have_the_gate_without_tls(
    tmp_path: Path, look: Callable[[GateSite], Awaitable[Client]]
) -> None:
    async with gate_site(tmp_path, Limits(total=20, handshakes=8), tls=False) as site:
        for _ in range(40):
            await site.connect_silently()

        client = await look(site)

        assert (await client.ask()).status == 200
