"""How a device gets, renews and keeps its certificate, whatever goes wrong."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from datetime import datetime, tzinfo
from pathlib import Path

import pytest
from device_site import DeviceFiles, running, with_timing, worker_of
from small_edge_api import SmallEdgeApi, serving

from flotta.gateway import clock, gateway
from flotta.gateway.settings import Settings
from flotta.identity.authority import Authority
from flotta.identity.keys import public_key_fingerprint
from flotta.identity.requests import load_request
from waiting import eventually


def configure(files: DeviceFiles, api: SmallEdgeApi) -> Settings:
    registration = api.authority.issue_registration()
    return files.configure(api.server, api.authority.certificate_pem, registration)


async def test_worker_joins_and_never_sees_key_or_certificate(
    files: DeviceFiles, api: SmallEdgeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway, "OFFLINE_TIMEOUT", 30.0)
    settings = replace(configure(files, api), labels={"room": "12"})
    async with running(settings), worker_of(settings) as worker:
        await worker.register()
        config = await worker.config()
        assert (config.client_id, config.key_file, config.cert_file) == ("till-7", "", "")
        assert (await worker.send("enrolment", {"features": {}}))["StatusCode"] == 208
        answer = await worker.send("registration", {"hardware": {"hostname": "till"}})
        assert answer["StatusCode"] == 200
        assert answer["Body"] == {"directive": "registration", "content": {}}
        await eventually(lambda: worker.configurations == [api.content])
        await eventually(lambda: api.events("connection-status"))
        assert (await worker.send("heartbeat", {"status": "up"}))["StatusCode"] == 200
    enrolment, registration = api.sent("enrolment")[0], api.sent("registration")[0]
    assert enrolment["content"]["target_namespace"] == "default"
    assert len(enrolment["content"]["public_key_fingerprint"]) == 64
    assert enrolment["content"]["labels"] == {"room": "12"}
    assert registration["content"]["hardware"] == {"hostname": "till"}
    assert "device" in api.events("connection-status")[-2]["dispatchers"]
    assert api.events("connection-status")[-1]["state"] == "offline"


async def test_lost_answer_is_asked_for_again_with_the_same_key(
    files: DeviceFiles, api: SmallEdgeApi
) -> None:
    settings = configure(files, api)
    api.lose_registrations = 1
    async with running(settings), worker_of(settings) as worker:
        assert await worker.send("registration", {}) == {}
    async with running(settings), worker_of(settings) as worker:  # a restart in between
        assert (await worker.send("registration", {}))["StatusCode"] == 200
    requests = {message["content"]["certificate_request"] for message in api.sent("registration")}
    keys = {request.public_bytes_der for request in map(_Request, requests)}
    assert len(keys) == 1
    assert files.serial == api.issued[-1]


class _Request:
    def __init__(self, pem: str) -> None:
        self.public_bytes_der = public_key_fingerprint(load_request(pem).public_key())


async def test_certificate_is_renewed_with_a_new_key_when_the_server_says_401(
    files: DeviceFiles, api: SmallEdgeApi
) -> None:
    settings = configure(files, api)
    files.give_identity(api.authority)
    first_key = (files.pki / "device/current/key.pem").read_bytes()
    api.refuse_before = 1
    async with running(settings), worker_of(settings) as worker:
        await worker.register()
        await eventually(lambda: worker.configurations)
        assert files.serial == api.issued[0]
        assert (files.pki / "device/current/key.pem").read_bytes() != first_key
        await eventually(lambda: not (files.pki / "device/1").exists())
    assert len(api.issued) == 1


async def test_message_that_met_401_is_sent_again_after_the_renewal(
    files: DeviceFiles, api: SmallEdgeApi
) -> None:
    settings = configure(files, api)
    files.give_identity(api.authority)
    async with running(settings), worker_of(settings) as worker:
        await eventually(lambda: ("device", "data") in api.requests)
        api.refuse_before = 1
        assert (await worker.send("heartbeat", {}))["StatusCode"] == 200


async def test_expired_certificate_is_renewed_at_the_start(
    files: DeviceFiles, api: SmallEdgeApi
) -> None:
    settings = configure(files, api)
    files.give_identity(api.authority, days=0)
    async with running(settings):
        await eventually(lambda: api.issued and files.serial == api.issued[0])


async def test_device_without_a_registration_certificate_renews_and_returns_after_its_expiry(
    files: DeviceFiles, api: SmallEdgeApi, caplog: pytest.LogCaptureFixture
) -> None:
    settings = configure(files, api)
    files.give_identity(api.authority, days=0)
    for name in ("cert.pem", "key.pem"):
        (files.pki / name).unlink()
    async with running(settings), worker_of(settings) as worker:
        await eventually(lambda: api.issued and files.serial == api.issued[0])
        api.refuse_before = len(api.issued) + 1
        assert (await worker.send("heartbeat", {}))["StatusCode"] == 200
    assert not [what for kind, what in api.requests if kind == "registration"]
    assert "IdentityUnusable" not in caplog.text


async def test_lost_identity_comes_back_with_a_registration_certificate_and_without_a_restart(
    files: DeviceFiles, api: SmallEdgeApi, caplog: pytest.LogCaptureFixture
) -> None:
    settings = configure(files, api)
    (files.pki / "cert.pem").rename(files.pki / "taken.pem")
    (files.pki / "key.pem").rename(files.pki / "taken.key")
    async with running(settings), worker_of(settings) as worker:
        assert await worker.send("heartbeat", {}) == {}
        assert "its pods keep running. Run the role flotta.edge.device" in caplog.text
        (files.pki / "taken.key").rename(files.pki / "key.pem")
        (files.pki / "taken.pem").rename(files.pki / "cert.pem")
        assert (await worker.send("heartbeat", {}))["StatusCode"] == 401
        await eventually(lambda: api.issued and files.serial == api.issued[0])
        assert (await worker.send("heartbeat", {}))["StatusCode"] == 200


async def test_server_that_refuses_every_new_certificate_is_not_flooded(
    files: DeviceFiles, api: SmallEdgeApi
) -> None:
    settings = with_timing(configure(files, api), retry_first=0.3, retry_cap=5)
    files.give_identity(api.authority)
    api.refuse_before = 1000
    async with running(settings):
        await eventually(lambda: api.issued)
        begun = time.monotonic()
        await eventually(lambda: len(api.issued) >= 4)
        most = 2 + (time.monotonic() - begun) / settings.timing.retry_first
        assert len(api.issued) <= most


async def test_other_fleet_is_refused_before_anything_is_sent(
    files: DeviceFiles, api: SmallEdgeApi, caplog: pytest.LogCaptureFixture
) -> None:
    own = Authority.create("Another CA")
    settings = files.configure(api.server, own.certificate_pem, own.issue_registration())
    async with running(settings), worker_of(settings) as worker:
        assert await worker.send("enrolment", {"features": {}}) == {}
    assert "server certificate is not from this device's CA" in caplog.text
    assert "[ServerNotTrusted]" in caplog.text
    assert not api.posted


async def test_refused_certificate_is_explained(
    files: DeviceFiles, api: SmallEdgeApi, caplog: pytest.LogCaptureFixture
) -> None:
    foreign = Authority.create("Another CA").issue_registration()
    settings = files.configure(api.server, api.authority.certificate_pem, foreign)
    async with running(settings), worker_of(settings) as worker:
        assert await worker.send("enrolment", {"features": {}}) == {}
    assert "probably refused, certificate not from this fleet's CA" in caplog.text
    assert "[CertificateRefused]" in caplog.text


async def test_expired_server_certificate_is_reported_and_tolerated(
    files: DeviceFiles, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    api = SmallEdgeApi(Authority.create("Flotta CA"))
    async with serving(api, tmp_path, days=0):
        settings = configure(files, api)
        async with running(settings), worker_of(settings) as worker:
            assert (await worker.send("enrolment", {"features": {}}))["StatusCode"] == 208
    assert "The connection is used anyway. [ClockDiffers]" in caplog.text


async def test_device_whose_clock_says_1970_joins(
    files: DeviceFiles, api: SmallEdgeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Epoch(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime.fromtimestamp(0, tz)

    monkeypatch.setattr(clock, "datetime", Epoch)
    settings = configure(files, api)
    async with running(settings), worker_of(settings) as worker:
        await worker.register()
        await worker.join()
        await eventually(lambda: worker.configurations)
    assert len(api.issued) == 1
    assert (files.state / "clock").read_text().startswith("20")


async def test_new_control_plane_makes_the_device_join_again_by_itself(
    files: DeviceFiles, api: SmallEdgeApi, caplog: pytest.LogCaptureFixture
) -> None:
    """The worker thinks it is registered: it only sends heartbeats."""
    settings = configure(files, api)
    files.give_identity(Authority.create("The old control plane"))
    async with running(settings), worker_of(settings) as worker:
        assert (await worker.send("heartbeat", {}))["StatusCode"] == 401
        assert "has not registered yet [NotJoined]" in caplog.text
        await eventually(lambda: api.issued and files.serial == api.issued[0])
        await eventually(lambda: ("device", "data") in api.requests)
        assert (await worker.send("heartbeat", {}))["StatusCode"] == 200
    assert "heartbeat" not in {what for kind, what in api.requests if kind == "registration"}


async def test_missing_identity_is_reported_and_does_not_end_the_gateway(
    files: DeviceFiles, api: SmallEdgeApi, caplog: pytest.LogCaptureFixture
) -> None:
    settings = configure(files, api)
    (files.pki / "cert.pem").unlink()
    async with running(settings), worker_of(settings) as worker:
        assert await worker.send("enrolment", {"features": {}}) == {}
        assert "This device has no usable certificate" in caplog.text
        assert "[IdentityUnusable]" in caplog.text
        (files.pki / "cert.pem").write_bytes(b"")
        registration = api.authority.issue_registration()
        (files.pki / "cert.pem").write_bytes(registration.certificate)
        (files.pki / "key.pem").write_bytes(registration.key)
        assert (await worker.send("enrolment", {"features": {}}))["StatusCode"] == 208


@pytest.fixture(autouse=True)
def logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
