"""What the Edge API looks at before it reads the body of a request."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from edge_site import Device, data_message
from memory_site import MemorySite, memory_site
from prometheus_client import generate_latest
from raw_requests import RawConnection, RawResponse, raw_connection, request_head

from flotta.edge_api import messages, rate_limits
from flotta.edge_api.messages import MAX_BODY
from flotta.edge_api.rate_limits import BODY_BURST, DEVICE_BURST
from flotta.protocol.models import Heartbeat
from flotta.serving.http_connection import LINGERING_BYTES
from waiting import eventually

JSON = "Content-Type: application/json"
HEARTBEAT = json.dumps(data_message("heartbeat", {"status": "up"})).encode()


@pytest_asyncio.fixture
async def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[MemorySite]:
    monkeypatch.setattr(rate_limits, "DEVICE_RATE", 1e-6)  # a slow machine refills no bucket
    async with memory_site(tmp_path, monkeypatch) as started:
        yield started


@pytest_asyncio.fixture
async def device(site: MemorySite) -> AsyncIterator[Device]:
    joined = await site.joined()
    yield joined
    await joined.close()


def heartbeats(site: MemorySite) -> list[Heartbeat]:
    return site.backend.devices["till-7"].heartbeats


def counted(site: MemorySite, name: str) -> float:
    """Return the value of a sample, such as `refused{reason="X"}`; 0 when there is none."""
    for line in generate_latest(site.server.metrics.registry).decode().splitlines():
        if line.startswith(f"flotta_api_edge_devices_{name} "):
            return float(line.split()[-1])
    return 0.0


@pytest.mark.parametrize(
    ("header", "body"),
    [
        ("Content-Encoding: gzip", gzip.compress(b" " * 20_000_000 + HEARTBEAT)),
        ("Content-Encoding: gzip", gzip.compress(HEARTBEAT)),
        ("Content-Encoding: br", HEARTBEAT),
        ("Content-Encoding: identity", HEARTBEAT),
    ],
    ids=["bomb", "gzip", "brotli", "identity"],
)
async def test_a_coded_body_is_refused_and_nothing_is_inflated(
    site: MemorySite, device: Device, header: str, body: bytes, inflated: list[int]
) -> None:
    async with raw_connection(device) as connection:
        length = f"Content-Length: {len(body)}"
        await connection.send(request_head("POST", "/data/till-7/out", JSON, header, length) + body)
        response = await connection.response()

    assert (response.status, response.reason) == (415, "UnsupportedEncoding")
    assert heartbeats(site) == []
    assert inflated == []


@pytest.fixture
def inflated(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the numbers of bytes that aiohttp inflates from now on."""
    sizes: list[int] = []

    def feed_data(_: object, chunk: bytes, *__: object) -> bool:
        sizes.append(len(chunk))
        return False

    monkeypatch.setattr("aiohttp.http_parser.DeflateBuffer.feed_data", feed_data)
    return sizes


async def test_a_transfer_coding_other_than_chunked_is_refused(device: Device) -> None:
    async with raw_connection(device) as connection:
        coded = request_head("POST", "/data/till-7/out", JSON, "Transfer-Encoding: gzip, chunked")
        await connection.send(coded + b"0\r\n\r\n")
        response = await connection.response()

    assert (response.status, response.reason) == (415, "UnsupportedEncoding")


async def test_a_large_body_is_refused_before_it_is_sent(device: Device) -> None:
    async with raw_connection(device) as connection:
        length = f"Content-Length: {MAX_BODY + 1}"
        await connection.send(request_head("POST", "/data/till-7/out", JSON, length))
        response = await connection.response()
        closed = await connection.is_closed()

    assert (response.status, response.reason) == (413, "BodyTooLarge")
    assert response.headers["connection"] == "close"
    assert closed


async def test_the_rest_of_a_refused_body_is_not_read_for_long(device: Device) -> None:
    async with raw_connection(device) as connection:
        length = f"Content-Length: {10**12}"
        await connection.send(request_head("POST", "/data/till-7/out", JSON, length))
        assert (await connection.response()).status == 413
        sent = await send_until_closed(connection, most=256 * LINGERING_BYTES)

    assert sent < 64 * LINGERING_BYTES  # with what the buffers on the way hold


async def send_until_closed(connection: RawConnection, most: int) -> int:
    """Return how many bytes could be sent."""
    sent = 0
    try:
        while sent < most and not connection.is_ending:
            await connection.send(b" " * 0x10000)
            sent += 0x10000
    except OSError:
        pass
    return sent


async def test_a_body_without_length_is_refused_once_it_is_too_large(device: Device) -> None:
    chunk = b"8000\r\n" + b" " * 0x8000 + b"\r\n"
    async with raw_connection(device) as connection:
        chunked = "Transfer-Encoding: chunked"
        await connection.send(request_head("POST", "/data/till-7/out", JSON, chunked))
        for _ in range(MAX_BODY // 0x8000 + 1):
            await connection.send(chunk)
        response = await connection.response()

    assert (response.status, response.reason) == (413, "BodyTooLarge")


async def test_the_largest_body_is_accepted_in_pieces(site: MemorySite, device: Device) -> None:
    body = HEARTBEAT.ljust(MAX_BODY)
    assert (await device.post("data", body)).status == 200
    async with raw_connection(device) as connection:
        chunked = "Transfer-Encoding: chunked"
        await connection.send(request_head("POST", "/data/till-7/out", JSON, chunked))
        await connection.send(b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
        assert (await connection.response()).status == 200

    assert len(heartbeats(site)) == 2


@pytest.mark.parametrize("path", ["/data/till-7/out", "/control/till-7/out"])
async def test_the_rate_counts_before_the_body(device: Device, path: str) -> None:
    head = request_head("POST", path, JSON, "Content-Length: 100", "Expect: 100-continue")
    async with raw_connection(device) as connection:
        for _ in range(int(DEVICE_BURST) * 2):
            await connection.send(request_head("GET", "/control/till-7/in"))
            response = await connection.response()
            if response.status == 429:
                break
        assert (response.status, response.reason) == (429, "TooManyRequests")
        await connection.send(head)
        refusal = await connection.response()  # and not "100 Continue"
        closed = await connection.is_closed()

    assert (refusal.status, refusal.headers["retry-after"]) == (429, "1")
    assert refusal.headers["connection"] == "close"
    assert closed


async def test_a_flood_of_one_certificate_leaves_the_others_their_rate(
    site: MemorySite, device: Device
) -> None:
    renewed = await site.device()
    renewed.key = device.key
    assert (await renewed.register()).status == 200

    statuses = {(await device.get("control")).status for _ in range(int(DEVICE_BURST) * 2)}

    assert statuses == {200, 429}
    assert (await renewed.get("control")).status == 200
    await renewed.close()


async def test_a_device_does_not_get_a_new_rate_with_each_new_certificate(device: Device) -> None:
    statuses = [(await device.register()).status for _ in range(12)]

    assert statuses[0] == 200
    assert statuses[-1] == 429


async def test_a_large_body_has_the_time_that_a_slow_network_takes(
    site: MemorySite, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(messages, "BODY_TIMEOUT", 0.0)
    assert (await device.beat(status="x" * 60_000)).status == 200
    assert len(heartbeats(site)) == 1


async def test_a_body_that_does_not_arrive_is_refused(
    device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(messages, "BODY_TIMEOUT", 0.0)
    head = request_head("POST", "/data/till-7/out", JSON, "Content-Length: 100")
    async with raw_connection(device) as connection:
        await connection.send(head + b'{"type": ')
        response = await connection.response()

    assert (response.status, response.reason) == (408, "BodyTimeout")


async def test_a_device_that_sends_much_is_refused_before_its_body(
    site: MemorySite, device: Device
) -> None:
    body = HEARTBEAT.ljust(MAX_BODY)
    head = request_head("POST", "/data/till-7/out", JSON, f"Content-Length: {MAX_BODY}")
    allowed = int(BODY_BURST // MAX_BODY)
    async with raw_connection(device) as connection:
        for _ in range(allowed - 1):
            await connection.send(head + body)
            assert (await connection.response()).status == 200
        refused = await first_refusal(connection, head, body)
        closed = await connection.is_closed()

    assert (refused.status, refused.reason) == (429, "TooManyRequests")
    assert refused.headers["retry-after"] == "4"
    assert closed


async def first_refusal(connection: RawConnection, head: bytes, body: bytes) -> RawResponse:
    """Ask for an invitation to send each body; return the first response that is none."""
    polite = head.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n")
    while True:
        await connection.send(polite)
        response = await connection.response()
        if response.status != 100:
            return response
        await connection.send(body)
        await connection.response()


async def test_authority_counts_before_the_body(device: Device) -> None:
    foreign = request_head("POST", "/data/other/out", JSON, "Content-Length: 100")
    event = request_head("POST", "/control/other/out", JSON, "Content-Length: 100")
    for head in (foreign, event):
        async with raw_connection(device) as connection:
            await connection.send(head)
            response = await connection.response()
        assert (response.status, response.reason) == (403, "OtherDevice")
        assert response.headers["connection"] == "close"


async def test_a_client_that_expects_it_is_asked_for_its_body(device: Device) -> None:
    length = f"Content-Length: {len(HEARTBEAT)}"
    head = request_head("POST", "/data/till-7/out", JSON, length, "Expect: 100-continue")
    async with raw_connection(device) as connection:
        await connection.send(head)
        invitation = await connection.response()
        await connection.send(HEARTBEAT)
        response = await connection.response()

    assert (invitation.status, response.status) == (100, 200)


async def test_a_client_that_leaves_a_held_request_is_not_refused(
    site: MemorySite, device: Device, caplog: pytest.LogCaptureFixture
) -> None:
    async with raw_connection(device) as connection:
        await connection.send(request_head("GET", "/control/till-7/in", "Prefer: wait=90"))
        await eventually(lambda: holds(site, 1))
        connection.abort()
        await eventually(lambda: holds(site, 0))
    site.backend.change()
    assert (await device.get("control")).status == 200

    assert counted(site, "failed_authentication") == 0
    assert "401" not in caplog.text
    assert "Traceback" not in caplog.text


async def has_ended(site: MemorySite, number: int) -> bool:
    sample = f'flotta_api_request_seconds_count{{channel="data"}} {number:.1f}'
    return sample in generate_latest(site.server.metrics.registry).decode()


async def holds(site: MemorySite, number: int) -> bool:
    return site.backend.holding == number


async def test_a_client_that_leaves_in_the_middle_of_its_body_is_no_failure(
    site: MemorySite, device: Device, caplog: pytest.LogCaptureFixture
) -> None:
    head = request_head("POST", "/data/till-7/out", JSON, "Content-Length: 100")
    async with raw_connection(device) as connection:
        await connection.send(head + b"{")
        connection.abort()
    await eventually(lambda: has_ended(site, 2))  # the registration was the first

    assert heartbeats(site) == []
    assert "Traceback" not in caplog.text
    assert "401" not in caplog.text


@pytest.mark.parametrize(
    "head",
    [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 20_000 + b"\r\n\r\n",
        b"\x16\x03\x01 no HTTP at all\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
    ids=["http2", "long header", "no http", "two lengths"],
)
async def test_what_is_not_http_gets_json_and_no_traceback(
    device: Device, caplog: pytest.LogCaptureFixture, head: bytes
) -> None:
    async with raw_connection(device) as connection:
        await connection.send(head)
        response = await connection.response()

    assert (response.status, response.reason) == (400, "MalformedRequest")
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize(
    ("path", "expectation", "status", "reason"),
    [
        ("/nowhere", "100-continue", 404, "UnknownPath"),
        ("/data/till-7/in", "100-continue", 405, "MethodNotAllowed"),
        ("/data/till-7/out", "200-ok", 417, "UnsupportedExpectation"),
    ],
)
async def test_a_request_that_is_refused_is_not_asked_for_its_body(
    device: Device, path: str, expectation: str, status: int, reason: str
) -> None:
    head = request_head("POST", path, JSON, "Content-Length: 9", f"Expect: {expectation}")
    async with raw_connection(device) as connection:
        await connection.send(head)
        response = await connection.response()

    assert (response.status, response.reason) == (status, reason)
    assert response.headers["connection"] == "close"


@pytest.mark.parametrize(
    ("method", "path", "status", "reason"),
    [
        ("GET", "/nowhere", 404, "UnknownPath"),
        ("PUT", "/data/till-7/out", 405, "MethodNotAllowed"),
        ("HEAD", "/data/till-7/in", 405, ""),
        ("GET", "/data/till-7/in%0aforged%1b[2J", 404, "UnknownPath"),
    ],
)
async def test_every_refusal_is_json_counted_and_one_line_of_the_log(
    site: MemorySite,
    device: Device,
    caplog: pytest.LogCaptureFixture,
    method: str,
    path: str,
    status: int,
    reason: str,
) -> None:
    caplog.set_level("INFO")
    async with raw_connection(device) as connection:
        await connection.send(request_head(method, path))
        head = await connection.response() if method != "HEAD" else None

    if head is not None:
        assert (head.status, head.reason) == (status, reason)
        assert counted(site, f'refused{{reason="{reason}"}}') == 1
    lines = [text for text in caplog.messages if f": {status} " in text]
    assert all(text.isprintable() for text in lines)
    assert head is None or len(lines) == 1


async def test_only_a_device_that_was_told_to_go_is_logged_as_disconnected(
    site: MemorySite, device: Device, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    event = {**data_message("", "disconnect"), "type": "event"}

    assert (await device.post("control", event)).status == 200
    assert "has disconnected" not in caplog.text
    site.backend.devices["till-7"].is_leaving = True
    assert (await device.post("control", event)).status == 200
    assert "default/till-7 has disconnected" in caplog.text
