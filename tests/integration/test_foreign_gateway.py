"""The worker under a gateway as that of v0.2, which leaves key and certificate to its workers.

The gateway is a program in Go (`tests/servers/yggdrasil`) at an abstract socket.
"""

from __future__ import annotations

import logging
import stat
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from cryptography import x509
from edge_site import Fleet
from foreign_site import ForeignGateway, aged_certificate
from small_edge_api import SmallEdgeApi, serving

from flotta.identity.authority import Authority
from flotta.identity.keys import public_key_fingerprint
from flotta.identity.requests import load_request
from servers.foreign_peers import peer
from waiting import eventually


@pytest_asyncio.fixture
async def api(tmp_path: Path) -> AsyncIterator[SmallEdgeApi]:
    async with serving(SmallEdgeApi(Authority.create("Flotta CA")), tmp_path) as small:
        small.holds = False  # as a server of v0.2
        small.content = {**small.content, "configuration": {"heartbeat": {"period_seconds": 1}}}
        yield small


@pytest.fixture
def gateway(tmp_path: Path, api: SmallEdgeApi) -> ForeignGateway:
    """Return a device that has a registration certificate only."""
    site = ForeignGateway(tmp_path, api.server, api.authority.certificate_pem)
    site.give(api.authority.issue_registration())
    return site


@pytest.fixture(autouse=True)
def logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "flotta")


def requests(api: SmallEdgeApi) -> list[x509.CertificateSigningRequest]:
    return [
        load_request(message["content"]["certificate_request"])
        for message in api.sent("registration")
    ]


def keys_of_requests(api: SmallEdgeApi) -> list[str]:
    return [public_key_fingerprint(request.public_key()) for request in requests(api)]


async def test_it_makes_key_and_request_and_the_gateway_uses_what_it_installs(
    gateway: ForeignGateway, api: SmallEdgeApi, caplog: pytest.LogCaptureFixture
) -> None:
    registration = gateway.key_file.read_bytes()
    async with gateway.running() as process, gateway.worker() as state:
        await eventually(lambda: ("device", "heartbeat") in api.requests)
        await process.said("delivered", directive="device")
        await eventually(lambda: api.sent("heartbeat")[-1]["content"]["version"] == "1")
        await eventually(lambda: '"before"' not in (state / "certificate.json").read_text())
        (request,) = requests(api)
        assert request.subject.rfc4514_string() == "CN=till-7"
        assert not list(request.extensions)
        assert len(process.all("loaded", name="till-7")) >= 1
    assert gateway.name == "till-7"
    assert gateway.fits
    assert gateway.key_file.read_bytes() != registration
    for path in (gateway.cert_file, gateway.key_file, state / "certificate.json"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    announced = api.sent("enrolment")[0]["content"]
    assert announced["target_namespace"] == "default"
    assert [announced["public_key_fingerprint"]] == keys_of_requests(api)
    secret = gateway.key_file.read_text().splitlines()[1]
    assert secret not in caplog.text
    assert secret not in gateway.log.read_text()


async def test_a_lost_response_is_asked_for_again_with_the_same_key(
    gateway: ForeignGateway, api: SmallEdgeApi
) -> None:
    api.lose_registrations = 1
    async with gateway.running(), gateway.worker():
        await eventually(lambda: ("device", "heartbeat") in api.requests)
    first, second = keys_of_requests(api)
    assert first == second
    assert gateway.fits


async def test_a_certificate_that_is_refused_is_renewed_with_its_key(
    gateway: ForeignGateway, api: SmallEdgeApi
) -> None:
    async with gateway.running(), gateway.worker():
        await eventually(lambda: ("device", "heartbeat") in api.requests)
        before = gateway.key_file.read_bytes()
        api.refuse_before = 2
        await eventually(lambda: len(api.issued) == 2)
        api.content = {**api.content, "version": "3"}
        await eventually(lambda: api.sent("heartbeat")[-1]["content"]["version"] == "3")
        await eventually(lambda: gateway.certificate.serial_number == api.issued[1])
    assert gateway.key_file.read_bytes() == before
    assert gateway.fits


async def test_a_certificate_is_renewed_in_time(gateway: ForeignGateway, api: SmallEdgeApi) -> None:
    aged = aged_certificate(api.authority, "till-7", 0.9)
    gateway.give(aged)
    (gateway.folder / "state").mkdir()
    async with gateway.running() as process, gateway.worker():
        await eventually(lambda: api.issued and gateway.certificate.serial_number in api.issued)
        await process.said("loaded", 2, name="till-7")
        await eventually(lambda: ("device", "heartbeat") in api.requests)
    assert gateway.key_file.read_bytes() == aged.key


async def test_a_certificate_that_is_not_for_this_device_is_not_installed(
    gateway: ForeignGateway, api: SmallEdgeApi, caplog: pytest.LogCaptureFixture
) -> None:
    before = gateway.cert_file.read_bytes(), gateway.key_file.read_bytes()
    api.authority, real = Authority.create("another"), api.authority
    async with gateway.running(), gateway.worker():
        await eventually(lambda: "was not issued by a CA in `ca-root`" in caplog.text)
        assert "[CertificateNotInstalled]" in caplog.text
        assert (gateway.cert_file.read_bytes(), gateway.key_file.read_bytes()) == before
        api.authority = real
        await eventually(lambda: ("device", "heartbeat") in api.requests)
    first, *_, last = keys_of_requests(api)
    assert first == last


async def test_gateway_and_worker_start_again_without_a_new_certificate(
    gateway: ForeignGateway, api: SmallEdgeApi
) -> None:
    async with gateway.running(), gateway.worker():
        await eventually(lambda: ("device", "heartbeat") in api.requests)
        await eventually(lambda: api.sent("heartbeat")[-1]["content"]["version"] == "1")
    async with gateway.worker():
        async with gateway.running() as process:
            await process.said("delivered", directive="device")
        api.content = {**api.content, "version": "2"}
        async with gateway.running():
            await eventually(lambda: api.sent("heartbeat")[-1]["content"]["version"] == "2")
    assert len(api.issued) == 1


async def test_a_new_registration_certificate_lets_the_device_join_again(
    gateway: ForeignGateway, api: SmallEdgeApi
) -> None:
    async with gateway.running(), gateway.worker():
        await eventually(lambda: ("device", "heartbeat") in api.requests)
        await eventually(lambda: api.sent("heartbeat")[-1]["content"]["version"] == "1")
    gateway.give(api.authority.issue_registration())
    async with gateway.running(), gateway.worker():
        await eventually(lambda: len(api.issued) == 2 and gateway.name == "till-7")
    first, second = keys_of_requests(api)
    assert first != second
    assert gateway.fits


async def test_disconnect_removes_everything_but_the_certificate(
    gateway: ForeignGateway, api: SmallEdgeApi
) -> None:
    async with gateway.running() as process, gateway.worker() as state:
        await eventually(lambda: ("device", "heartbeat") in api.requests)
        await process.said("delivered", directive="device")
        api.command = "disconnect"
        told = await process.said("told", handler="device")
        assert told["error"] == "<nil>"
        assert list(state.iterdir()) == []
        await eventually(lambda: "disconnect" in api.events("event"))
    assert gateway.name == "till-7"
    assert gateway.fits


async def test_the_gateway_starts_it_with_the_environment_of_its_workers(
    gateway: ForeignGateway, api: SmallEdgeApi, tmp_path: Path
) -> None:
    folder = tmp_path / "workers"
    folder.mkdir()
    here = Path(__file__).parent
    script = tmp_path / "device-worker"
    script.write_text(
        f"#!{sys.executable}\nimport asyncio, os, sys, pathlib\n"
        f"sys.path[:0] = {[str(here.parents[1] / 'src'), str(here.parent), str(here)]!r}\n"
        "from worker_site import settings\nfrom flotta.worker.agent import Agent\n"
        "assert os.environ['YGG_CLIENT_ID'] == 'till-7' and 'PYTHONPATH' not in os.environ\n"
        "place = pathlib.Path(os.environ['PLACE'])\n"
        "asyncio.run(Agent(settings(os.environ['YGG_SOCKET_ADDR'], place)).run())\n"
    )
    script.chmod(0o700)
    (folder / "device-worker.toml").write_text(
        f'exec = "{script}"\nprotocol = "grpc"\nenv = ["PLACE={tmp_path}"]\n'
    )
    async with gateway.running("--workers", str(folder)) as process:
        await process.said("registered", handler="device")
        await eventually(lambda: ("device", "heartbeat") in api.requests)
    assert gateway.name == "till-7"


@pytest.mark.parametrize("engine_site", ["embedded"], indirect=True)
async def test_a_whole_agent_of_v02_joins_this_control_plane(fleet: Fleet, tmp_path: Path) -> None:
    name = fleet.device().device_id
    server = f"127.0.0.1:{fleet.site.port}"
    site = ForeignGateway(tmp_path, server, fleet.authority.certificate_pem, name)
    site.give(await fleet.issue("agents-of-v02", allowWithoutFingerprint=True))
    async with site.running("--poll", "1s") as gateway:
        address = {"YGG_SOCKET_ADDR": f"unix:{site.socket}"}
        async with peer(
            "device", "--retry", "200ms", "--deadline", "10s", environment=address
        ) as worker:
            await worker.said("answered", directive="enrolment", status=200)
            await fleet.approve(name)
            await worker.said("answered", directive="registration", status=200)
            await worker.said("configured")
            await worker.said("answered", directive="heartbeat", status=200)
            await gateway.said("polled", channel="control", status=200)
    assert site.name == name


@pytest.mark.parametrize("engine_site", ["embedded"], indirect=True)
async def test_its_gateway_with_our_worker_joins_this_control_plane(
    fleet: Fleet, tmp_path: Path
) -> None:
    name = fleet.device().device_id
    server = f"127.0.0.1:{fleet.site.port}"
    site = ForeignGateway(tmp_path, server, fleet.authority.certificate_pem, name)
    site.give(fleet.registration)
    async with site.running("--poll", "1s") as gateway, site.worker():
        await gateway.said("posted", directive="enrolment", status=200)
        await fleet.approve(name)
        await gateway.said("posted", directive="heartbeat", status=200)
        await gateway.said("delivered", directive="device")
    assert site.name == name
