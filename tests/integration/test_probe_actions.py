"""The four kinds of probe against real servers and programs, friendly and hostile ones."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import ssl
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import h2.config
import h2.connection
import pytest
from grpclib.health.check import ServiceStatus
from grpclib.health.service import Health
from grpclib.server import Server

from flotta.worker.http_get_action import HttpGet
from flotta.worker.podman import Placement
from flotta.worker.probes.attempt import ask
from flotta.worker.probes.probe import (
    Action,
    Exec,
    Grpc,
    Probe,
    ProbeFailed,
    ProbeImpossible,
    TcpSocket,
)
from waiting import eventually

HOST = "127.0.0.1"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
Handler = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def serving(handle: Handler, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Serve connections on a port; `handle` gets the head of each request and may write."""

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await handle(await reader.readuntil(b"\r\n\r\n"), writer)
        writer.close()

    server = await asyncio.start_server(accept, HOST, 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


@contextlib.asynccontextmanager
async def answering(*responses: bytes) -> AsyncIterator[tuple[int, list[bytes]]]:
    """Answer one request after the other, the last one again and again; collect the requests."""
    requests: list[bytes] = []

    async def handle(head: bytes, writer: asyncio.StreamWriter) -> None:
        requests.append(head)
        writer.write(responses[min(len(requests), len(responses)) - 1])
        await writer.drain()

    async with serving(handle) as port:
        yield port, requests


async def passes(action: Action, timeout: int = 60, place: Placement | None = None) -> bool:
    await ask(Probe(action=action, timeout=timeout), "c" * 64, place or Placement(HOST))
    return True


async def cause_of(action: Action, timeout: int = 60, place: Placement | None = None) -> str:
    with pytest.raises(ProbeFailed) as failed:
        await passes(action, timeout, place)
    return str(failed.value)


def response(status: int, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} Any", "Content-Length: 0", *headers, "", ""]
    return "\r\n".join(lines).encode()


@pytest.mark.parametrize("status", [200, 204, 304, 399, 302])
async def test_each_status_up_to_399_passes(status: int) -> None:
    async with answering(response(status)) as (port, _):
        assert await passes(HttpGet(port))


@pytest.mark.parametrize("status", [400, 404, 500, 503])
async def test_another_status_fails_and_is_named(status: int) -> None:
    async with answering(response(status)) as (port, _):
        cause = await cause_of(HttpGet(port, path="/health?token=secret"))
        assert cause == f"HTTP GET /health on port {port}: status {status}"


async def test_the_request_is_that_of_kubernetes_and_the_authors_headers_win() -> None:
    headers = (("Host", "shop.example"), ("X-Token", "ä"), ("Accept", ""))
    async with answering(OK) as (port, requests):
        await passes(HttpGet(port))
        await passes(HttpGet(port, path="a b/ä?q=1 2#gone", headers=headers))
    first, second = (request.lower() for request in requests)
    assert first.startswith(b"get / http/1.1\r\n")
    assert f"host: {HOST}:{port}".encode() in first
    assert b"user-agent: kube-probe/" in first
    assert b"accept: */*" in first
    assert second.startswith(b"get /a%20b/%c3%a4?q=1%202 http/1.1\r\n")
    assert b"host: shop.example" in second
    assert b"x-token: \xc3\xa4" in second
    assert b"accept" not in second


async def test_a_redirect_on_the_same_host_is_followed_also_to_another_port() -> None:
    async with answering(OK) as (other, seen):
        to_other = response(301, f"Location: http://{HOST}:{other}/there?x=1")
        async with answering(response(302, "Location: next"), to_other) as (port, requests):
            assert await passes(HttpGet(port, path="/a/b", headers=(("Host", "shop"),)))
    assert requests[1].startswith(b"GET /a/next ")
    assert b"Host: shop" in requests[1]  # kept for a relative location
    assert seen[0].startswith(b"GET /there?x=1 ")
    assert b"shop" not in seen[0]


async def test_a_redirect_to_another_host_passes_without_being_followed() -> None:
    async with answering(response(301, "Location: http://203.0.113.1/never")) as (port, requests):
        assert await passes(HttpGet(port))
        assert len(requests) == 1


async def test_redirects_that_never_end_fail() -> None:
    async with answering(response(302, "Location: /again")) as (port, requests):
        assert "stopped after 10 redirects" in await cause_of(HttpGet(port))
        assert len(requests) == 10


@pytest.mark.parametrize("location", ["ftp://127.0.0.1/x", "http://[::1", "http://127.0.0.1:x/"])
async def test_a_redirect_that_cannot_be_followed_fails(location: str) -> None:
    async with answering(response(302, f"Location: {location}")) as (port, _):
        assert "redirected to" in await cause_of(HttpGet(port))


@pytest.mark.parametrize(
    ("endless", "cause"),
    [
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000, "longer than 64 KiB"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", "longer than 64 KiB"),
        (b"\0" * 4096, "not valid HTTP"),
    ],
)
async def test_a_server_that_answers_endlessly_is_read_to_a_bound(
    endless: bytes, cause: str
) -> None:
    async def flood(_: bytes, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(endless)
            await writer.drain()

    async with serving(flood) as port:
        assert cause in await cause_of(HttpGet(port))


async def test_long_headers_pass() -> None:
    async with answering(response(200, "X: " + "y" * 50_000)) as (port, _):
        assert await passes(HttpGet(port))


async def test_of_an_endless_body_ten_kibibytes_are_enough() -> None:
    async def flood(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"400\r\n" + b"x" * 0x400 + b"\r\n")
            await writer.drain()

    async with serving(flood) as port:
        assert await passes(HttpGet(port))


@pytest.mark.parametrize("begun", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe"])
async def test_a_server_that_is_too_slow_fails(begun: bytes) -> None:
    async def stall(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(begun)
        await asyncio.Event().wait()

    async with serving(stall) as port:
        assert "no answer within 1 s" in await cause_of(HttpGet(port), timeout=1)


async def test_a_body_that_breaks_off_fails() -> None:
    async with answering(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe") as (port, _):
        assert "not valid HTTP" in await cause_of(HttpGet(port))


async def test_any_certificate_will_do(self_signed: ssl.SSLContext) -> None:
    async def handle(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(OK)
        await writer.drain()

    async with serving(handle, self_signed) as port:
        assert await passes(HttpGet(port, scheme="HTTPS"))


async def test_a_server_without_tls_fails_the_handshake() -> None:
    async def refuse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(refuse, HOST, 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        cause = await cause_of(HttpGet(port, scheme="HTTPS"))
        assert cause == f"HTTPS GET / on port {port}: the TLS handshake failed"


async def test_headers_that_are_not_http_fail_without_a_request() -> None:
    async with answering(OK) as (port, requests):
        assert "headers" in await cause_of(HttpGet(port, headers=(("X", "a\r\nb: c"),)))
        assert requests == []


async def test_a_port_that_listens_passes_and_a_closed_one_says_so() -> None:
    async with answering(OK) as (port, _):
        assert await passes(TcpSocket(port))
        assert await passes(TcpSocket(port, host=HOST), place=Placement("203.0.113.1"))
    assert await cause_of(TcpSocket(port)) == (f"TCP connection to port {port}: connection refused")
    assert "the host 'no.such.invalid' has no address" in await cause_of(
        TcpSocket(port, host="no.such.invalid")
    )
    assert "has no address" in await cause_of(TcpSocket(port, host="a" * 70 + ".example"))
    assert "has no address" in await cause_of(TcpSocket(port, host="a\0b"))
    assert "has no address" in await cause_of(HttpGet(port, scheme="HTTPS", host=".example"))


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL])
async def test_that_the_device_has_no_descriptors_left_says_nothing_of_the_container(
    number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(asyncio, "open_connection", refuse)
    with pytest.raises(ProbeImpossible):
        await passes(TcpSocket(1))


@contextlib.asynccontextmanager
async def grpc_health(*services: object) -> AsyncIterator[int]:
    server = Server(list(services))
    await server.start(HOST, 0)
    try:
        yield server._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
    finally:
        server.close()
        await server.wait_closed()


class Shop:
    """A service whose health is told by its name."""

    def __mapping__(self) -> dict[str, object]:
        return {"/shop.Shop/Buy": None}


async def test_the_standard_health_service_decides() -> None:
    status = ServiceStatus()
    async with grpc_health(Health({Shop(): [status]})) as port:
        assert "UNKNOWN" in await cause_of(Grpc(port, "shop.Shop"))
        status.set(True)
        assert await passes(Grpc(port, "shop.Shop"))
        assert await passes(Grpc(port))
        status.set(False)
        cause = await cause_of(Grpc(port, "shop.Shop"))
        assert cause == f"gRPC health of 'shop.Shop' on port {port}: the service is NOT_SERVING"
        assert "NOT_FOUND" in await cause_of(Grpc(port, "other"))


async def test_a_grpc_server_may_leave_as_soon_as_it_has_answered() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        protocol = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        protocol.initiate_connection()
        protocol.receive_data(await reader.read(4096))
        protocol.send_headers(1, [(":status", "200"), ("content-type", "application/grpc")])
        protocol.send_data(1, b"\0\0\0\0\2\x08\1")
        protocol.send_headers(1, [("grpc-status", "0")], end_stream=True)
        protocol.close_connection()  # GOAWAY, in the same segment
        writer.write(protocol.data_to_send())
        writer.close()

    server = await asyncio.start_server(answer, HOST, 0)
    async with server:
        assert await passes(Grpc(server.sockets[0].getsockname()[1]))


async def test_a_grpc_server_without_a_health_service_fails() -> None:
    async with grpc_health() as port:
        assert "UNIMPLEMENTED" in await cause_of(Grpc(port))


@pytest.mark.parametrize(
    ("endless", "cause"),
    [
        (b"HTTP/1.1 400 Bad\r\n\r\n", "the response is not HTTP/2"),
        (b"\0\0\0\4\0\0\0\0\0" + b"\0\0\x08\6\0\0\0\0\0" * 1000, "longer than 64 KiB"),  # PING
    ],
    ids=["HTTP/1.1", "endless PINGs"],
)
async def test_what_is_not_a_grpc_server_fails(endless: bytes, cause: str) -> None:
    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            writer.write(b"\0\0\0\4\0\0\0\0\0" if endless[0] == 0 else b"")
            while True:
                writer.write(endless if endless[0] else b"\0\0\x08\6\0\0\0\0\0" + b"12345678")
                await writer.drain()

    server = await asyncio.start_server(flood, HOST, 0)
    async with server:
        assert cause in await cause_of(Grpc(server.sockets[0].getsockname()[1]))


@pytest.fixture
def runtime(tmp_path: Path) -> Placement:
    """Return what stands in for an OCI runtime: it runs commands here, as children of its own."""
    program = tmp_path / "runtime"
    program.write_text(
        f"""#!{sys.executable}
import json, os, sys, time
log, process = (word.partition("=")[2] for word in (sys.argv[1], sys.argv[3]))
described = json.load(open(process))
command = described["args"]
if command == ["missing"]:
    print("executable file `missing` not found in $PATH", file=open(log, "w"))
    sys.exit(1)
if command == ["broken"]:
    now = time.strftime("%FT%T.000Z")
    print(f"{{now}}: cannot join cgroup {{time.time_ns()}}abcdef", file=open(log, "w"))
    sys.exit(1)
os.chdir(described["cwd"])
sys.exit(os.spawnvp(os.P_WAIT, "setsid", ["setsid", *command]))
"""
    )
    program.chmod(0o755)
    config = tmp_path / "config.json"
    process = {"cwd": str(tmp_path), "args": ["main"], "terminal": True, "user": {"uid": 1}}
    config.write_text(json.dumps({"ociVersion": "1.0.2", "process": process}))
    return Placement(HOST, runtime=str(program), config=str(config))


async def test_the_exit_code_of_a_command_decides(runtime: Placement) -> None:
    assert await passes(Exec(("true",)), place=runtime)
    cause = await cause_of(Exec(("sh", "-c", "echo secret; exit 3")), place=runtime)
    assert cause == "command 'sh': exit code 3"
    assert await passes(Exec(("test", "-e", "config.json")), place=runtime)
    assert "cannot be run in the container" in await cause_of(Exec(("missing",)), place=runtime)


async def test_what_the_runtime_itself_cannot_do_says_nothing_of_the_container(
    runtime: Placement,
) -> None:
    # Without what differs each time: it would be logged each time.
    with pytest.raises(ProbeImpossible, match=r"^cannot join cgroup …$"):
        await passes(Exec(("broken",)), place=runtime)
    with pytest.raises(ProbeImpossible, match="cannot be run"):
        await passes(Exec(("true",)), place=replace(runtime, runtime="/no/such/runtime"))
    with pytest.raises(ProbeImpossible, match="configuration"):
        await passes(Exec(("true",)), place=replace(runtime, config="/no/such/file"))


async def test_a_command_that_is_too_slow_is_ended_with_what_it_started(
    runtime: Placement, tmp_path: Path
) -> None:
    pids = tmp_path / "pids"
    script = f"sleep 1000 & echo $! >{pids}; echo $$ >>{pids}; wait"
    cause = await cause_of(Exec(("sh", "-c", script)), timeout=2, place=runtime)
    assert cause == "command 'sh': no answer within 2 s"
    for pid in map(int, pids.read_text().split()):
        await eventually(lambda pid=pid: not is_running(pid))


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def test_endless_output_of_a_command_goes_nowhere(runtime: Placement) -> None:
    before = os.times().user + os.times().system
    assert await passes(
        Exec(("sh", "-c", "head -c 1000000000 /dev/zero; head -c 1000000 /dev/zero >&2")),
        place=runtime,
    )
    assert os.times().user + os.times().system - before < 60  # of this process, which read nothing


async def test_time_in_which_the_worker_stands_still_does_not_count() -> None:
    """The answer is on its way while the worker sleeps; it must be looked for afterwards."""

    async def handle(_: bytes, writer: asyncio.StreamWriter) -> None:
        stop_this_process(3)
        writer.write(OK)
        await writer.drain()

    async with serving(handle) as port:
        assert await passes(HttpGet(port), timeout=1)


def stop_this_process(seconds: int) -> None:
    pid = os.getpid()
    os.system(f"(sleep {seconds}; kill -CONT {pid}) & kill -STOP {pid}")  # noqa: S605


@pytest.fixture
def self_signed(tmp_path: Path) -> ssl.SSLContext:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    os.system(  # noqa: S605
        f"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 "
        f"-subj /CN=other.example -keyout {key} -out {certificate} 2>{tmp_path}/openssl.log"
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context
