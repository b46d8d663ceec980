"""A remote data store that is away, slow, wrong or does not let the Edge API in."""

from __future__ import annotations

import json
import re
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import pytest_asyncio
from edge_site import Device, Reply
from remote_site import RemoteSite, remote_site
from remote_store import answering, endless, hang

from flotta.edge_api.backends.remote import knowledge
from flotta.identity.authority import Authority
from waiting import eventually

DEEP = "[" * 5000 + "]" * 5000
SETTINGS = {"heartbeat": {"hardware_profile": {}}}


@pytest.fixture(autouse=True)
def asked_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make what was read a moment ago count no longer, so that each request meets the store."""
    monkeypatch.setattr(knowledge, "FRESH", -1.0)


@pytest_asyncio.fixture
async def site(tmp_path: Path) -> AsyncIterator[RemoteSite]:
    async with remote_site(tmp_path, REMOTE_BACKEND_TIMEOUT="500ms") as started:
        await started.store.start(started.store_context())
        yield started


async def beats(device: Device) -> bool:
    return (await device.beat()).status == 200


def reason_of(reply: Reply) -> tuple[int, str]:
    """Return status and reason of a refusal, which has to say when to come back."""
    assert 5 <= int(reply.headers["Retry-After"]) <= 400
    return reply.status, reply.json()["reason"]


async def test_devices_keep_running_while_the_store_is_away(
    site: RemoteSite, caplog: pytest.LogCaptureFixture
) -> None:
    device = await site.joined()
    known = await device.get("data")
    assert known.status == 200

    await site.store.stop()

    stale = await device.get("data")
    assert (stale.status, stale.json()["content"]) == (200, known.json()["content"])
    assert (await device.get("data", If_None_Match=known.headers["ETag"])).status == 304
    assert (await device.get("control")).body == b""
    assert reason_of(await device.beat()) == (
        503,
        "StoreUnreachable",
    )  # not taken: not acknowledged
    assert "cannot be reached" in caplog.text
    assert "start it, or correct REMOTE_BACKEND_URL" in caplog.text
    assert await site.metric("flotta_api_store_stale_answers_total") > 2
    assert (await site.page("readyz"))[0] == 200

    await site.store.start(site.store_context())

    await eventually(lambda: beats(device))
    assert len(site.store.device("till-7").heartbeats) == 1
    assert await site.metric("flotta_api_store_usable") == 1


async def test_what_was_known_is_used_no_longer_than_allowed(tmp_path: Path) -> None:
    settings = {"REMOTE_BACKEND_STALE_SECONDS": "0", "REMOTE_BACKEND_TIMEOUT": "500ms"}
    async with remote_site(tmp_path, **settings) as site:
        await site.store.start(site.store_context())
        device = await site.joined()
        assert (await device.get("data")).status == 200

        await site.store.stop()

        async def is_refused() -> bool:
            return (await device.get("data")).status == 503

        await eventually(is_refused)


async def test_a_configuration_that_the_store_has_no_more_does_not_come_back_in_an_outage(
    site: RemoteSite,
) -> None:
    device = await site.joined()
    assert (await device.get("data")).status == 200
    site.store.device("till-7").configuration = None
    assert (await device.get("data")).status == 404

    await site.store.stop()

    assert reason_of(await device.get("data")) == (503, "StoreUnreachable")


async def test_whatever_makes_an_answer_stale_is_told(
    site: RemoteSite, caplog: pytest.LogCaptureFixture
) -> None:
    device = await site.joined()
    assert (await device.get("data")).status == 200

    wrong = {"device-configuration": {"configuration": SETTINGS, "workloads": [{"name": 5}]}}
    site.store.trouble = answering(200, json.dumps(wrong), "configuration")
    assert (await device.get("data")).status == 200
    assert re.search(
        r"till-7 is served by its configuration of \d+ s ago.*\(3600\): The answer of the data "
        r"store with the configuration of default/till-7 is not as the API describes.*workloads",
        caplog.text,
    )

    site.store.trouble = answering(403)
    assert (await device.get("data")).status == 200
    assert re.search(r"by its membership of .* does not let the Edge API in", caplog.text)


async def test_a_restart_while_the_store_is_away_harms_no_device(site: RemoteSite) -> None:
    device = await site.joined()
    identity = device.identity
    await site.store.stop()

    await site.restart()

    device = site.device()
    await device.use(identity)
    assert reason_of(await device.get("data")) == (503, "StoreUnreachable")
    assert reason_of(await device.get("control")) == (503, "StoreUnreachable")
    status, text = await site.page("readyz")
    assert (status, "cannot be reached" in text) == (503, True)
    await site.store.start(site.store_context())
    await eventually(lambda: beats(device))
    assert (await site.page("readyz"))[0] == 200


async def test_a_store_that_does_not_answer_costs_no_more_time_than_allowed(
    site: RemoteSite, caplog: pytest.LogCaptureFixture
) -> None:
    device = await site.joined()
    assert (await device.get("data")).status == 200

    site.store.trouble = hang
    before = len(site.store.of("PUT heartbeat"))

    assert reason_of(await device.beat()) == (503, "StoreUnreachable")
    assert "raise REMOTE_BACKEND_TIMEOUT" in caplog.text
    for _ in range(3):
        assert (await device.get("data")).status == 200
    # The circuit is open: nobody asks any more, but for one call now and then.
    asked = len(site.store.seen)
    replies = [await device.beat() for _ in range(10)]
    assert {reason_of(reply) for reply in replies} == {(503, "StoreUnreachable")}
    assert (
        len(site.store.seen) - asked <= 5
    )  # of 30 without it; a busy machine leaves time for some
    assert len(site.store.of("PUT heartbeat")) - before <= 8
    site.store.trouble = None
    await eventually(lambda: beats(device))


async def test_a_failed_heartbeat_is_repeated_with_the_same_id(site: RemoteSite) -> None:
    device = await site.joined()
    failures = iter([500, 500])

    async def fail_twice(request: object) -> object:
        status = next(failures, None)
        return None if status is None else await answering(status)(request)  # type: ignore[arg-type]

    await device.get("data")
    site.store.trouble = fail_twice  # type: ignore[assignment]

    assert (await device.beat()).status == 200

    ids = [seen.headers["Flotta-Message-ID"] for seen in site.store.of("PUT heartbeat")]
    assert len(site.store.device("till-7").heartbeats) == 1
    assert len(set(ids)) == 1


async def test_a_store_that_answers_everything_with_an_error_gets_each_call_once(
    site: RemoteSite,
) -> None:
    device = await site.joined()
    await device.get("data")
    site.store.trouble = answering(500)
    await device.beat()
    before = len(site.store.seen)

    for _ in range(3):
        assert reason_of(await device.beat()) == (503, "StoreUnreachable")

    assert len(site.store.seen) - before <= 6  # registration and heartbeat of each
    site.store.trouble = None
    assert (await device.beat()).status == 200


WRONG = {
    "no JSON": ("registration", 200, "<html>"),
    "nothing": ("registration", 200, ""),
    "an empty object": ("registration", 200, "{}"),
    "another word": ("registration", 200, '{"status": "gone"}'),
    "a namespace that is none": ("registration", 200, '{"status": "registered", "namespace": "/"}'),
    "too large": ("registration", 200, " " * 70_000),
    "too deep": ("registration", 200, '{"status": "registered", "more": ' + DEEP + "}"),
    "another success": ("registration", 202, '{"status": "unregistered"}'),
    "a redirect": ("registration", 302, ""),
    "not changed, unasked": ("registration", 304, ""),
    "a teapot": ("registration", 418, '{"status": "unregistered"}'),
    "no configuration": ("configuration", 200, '{"message": "sorry"}'),
    "null": ("configuration", 200, '{"device-configuration": null}'),
    "an empty configuration": ("configuration", 200, '{"device-configuration": {}}'),
    "a wrong type": (
        "configuration",
        200,
        json.dumps({"device-configuration": {"configuration": SETTINGS, "workloads": "none"}}),
    ),
    "another device's": (
        "configuration",
        200,
        json.dumps({"device-configuration": {"configuration": SETTINGS, "device_id": "till-99"}}),
    ),
    "a large configuration": ("configuration", 200, " " * (16 * 2**20 + 1)),
}


async def test_answers_that_say_nothing_change_nothing(
    site: RemoteSite, caplog: pytest.LogCaptureFixture
) -> None:
    device = await site.joined()
    assert (await device.get("data")).status == 200
    newcomer = await site.joined("till-8")  # of which nothing is known but that it registered
    site.store.device("till-9").status = "registered"

    for name, (operation, status, body) in WRONG.items():
        site.store.trouble = answering(status, body, operation, Location="/")
        caplog.clear()

        assert (await device.get("data")).status == 200, name
        assert (await device.get("control")).body == b"", name
        if operation == "configuration":
            assert reason_of(await newcomer.get("data")) == (503, "StoreAnswerInvalid"), name
            assert "[StoreAnswerInvalid]" in caplog.text, name
        assert await site.metric("flotta_api_store_usable") == 1, name

    site.store.trouble = endless
    assert (await device.get("control")).body == b""
    assert reason_of(await newcomer.get("data")) == (503, "StoreAnswerInvalid")
    fresh = site.device("till-9")
    site.store.trouble = answering(200, '{"status": "gone"}', "registration")
    assert reason_of(await fresh.register()) == (503, "StoreAnswerInvalid")


@pytest.mark.parametrize("status", [401, 403])
async def test_a_store_that_lets_nobody_in_says_whom_to_let_in(
    site: RemoteSite, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    device = await site.joined()
    assert (await device.get("data")).status == 200

    site.store.trouble = answering(status)

    assert reason_of(await device.beat()) == (503, "StoreRefused")
    assert "O=flotta-edge-api, CN=flotta-edge-api" in caplog.text
    assert (await device.get("data")).status == 200


async def test_a_store_that_never_let_the_edge_api_in_keeps_it_from_being_ready(
    tmp_path: Path,
) -> None:
    async with remote_site(tmp_path) as site:
        site.store.trouble = answering(403)
        await site.store.start(site.store_context())

        async def is_told() -> bool:
            status, text = await site.page("readyz")
            return status == 503 and "let it accept the client certificate" in text

        await eventually(is_told)
        site.store.trouble = None
        assert (await site.device().enrol()).status == 200
        assert (await site.page("readyz"))[0] == 200


async def test_an_overloaded_store_decides_when_devices_come_back(site: RemoteSite) -> None:
    device = await site.joined()
    await device.get("data")
    site.store.trouble = answering(503, only="heartbeat", Retry_After="120")

    reply = await device.beat()

    assert reason_of(reply) == (503, "StoreUnreachable")
    assert int(reply.headers["Retry-After"]) >= 120
    assert len(site.store.of("PUT heartbeat")) == 1


@pytest.mark.parametrize(
    ("status", "reason"),
    [(500, "StoreUnreachable"), (403, "StoreRefused"), (400, "StoreAnswerInvalid")],
)
async def test_an_error_about_one_device_keeps_no_other_from_its_data(
    site: RemoteSite, status: int, reason: str
) -> None:
    first, second = await site.joined(), await site.joined("till-8")
    site.store.trouble = answering(status, only="till-8/configuration")

    for _ in range(4):
        assert reason_of(await second.get("data")) == (503, reason)

    assert (await first.get("data")).status == 200
    assert (await second.beat()).status == 200


@pytest.mark.parametrize(
    ("names", "foreign", "cause"),
    [(["store.example"], False, "mismatch"), ([], True, "self-signed|unable to get local issuer")],
    ids=["for another name", "of another CA"],
)
async def test_a_wrong_certificate_of_the_store_is_told_with_the_remedy(
    tmp_path: Path,
    names: list[str],
    foreign: bool,
    cause: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with remote_site(tmp_path) as site:
        authority = Authority.create("of somebody else") if foreign else None
        await site.store.start(site.store_context(*names, authority=authority))
        device = site.device()

        assert reason_of(await device.enrol()) == (503, "StoreRefused")

        assert "issue one with `flotta certificates issue --server NAMES`" in caplog.text
        assert re.search(cause, caplog.text)
        assert "REMOTE_BACKEND_CA_FILE" in (await site.page("readyz"))[1]
        assert not site.store.seen


async def test_a_store_that_does_not_accept_the_edge_api_is_told_whom_to_trust(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with remote_site(tmp_path) as site:
        context = site.store_context(clients=Authority.create("another"))
        # This server says what it minds, as those in Go do; asyncio's only closes the connection.
        with refusing_clients(site.store.port, context):
            assert reason_of(await site.device().enrol()) == (503, "StoreRefused")
        assert "does not accept the certificate of the Edge API" in caplog.text
        old = site.store_context()
        old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2
        with refusing_clients(site.store.port, old):
            assert reason_of(await site.device().enrol()) == (503, "StoreRefused")
        assert "does not speak TLS 1.3 (TLSV1_ALERT_PROTOCOL_VERSION)" in caplog.text

        await site.store.start(context)
        assert reason_of(await site.device().enrol()) == (503, "StoreUnreachable")
        assert caplog.text.count("let it trust the CA of the fleet") == 2


@contextmanager
def refusing_clients(port: int, context: ssl.SSLContext) -> Iterator[None]:
    """Accept connections and end each with the alert of its failed handshake."""
    with socket.create_server(("127.0.0.1", port)) as listener:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with suppress(ssl.SSLError), connection:
                        context.wrap_socket(connection, server_side=True)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


async def test_another_ca_of_the_store_is_named_and_read_again(tmp_path: Path) -> None:
    other = Authority.create("of the store")
    file = tmp_path / "store-ca.crt"
    file.write_text("")
    async with remote_site(tmp_path, REMOTE_BACKEND_CA_FILE=str(file)) as site:
        await site.store.start(site.store_context(authority=other))
        assert reason_of(await site.device().enrol()) == (503, "StoreRefused")

        file.write_bytes(other.certificate_pem)

        async def enrols() -> bool:
            return (await site.device().enrol()).status == 200

        await eventually(enrols)


async def test_plain_http_needs_no_certificate(tmp_path: Path) -> None:
    async with remote_site(tmp_path, scheme="http") as site:
        await site.store.start(None)
        device = await site.joined()
        assert (await device.get("data")).status == 200
        assert (await device.beat()).status == 200


async def test_the_wrong_scheme_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with remote_site(tmp_path, scheme="http") as site:
        await site.store.start(site.store_context())
        assert (await site.device().enrol()).status == 503
        assert "REMOTE_BACKEND_URL" in caplog.text
