"""Key and certificate in the files of a gateway that leaves them to its workers."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flotta.identity.authority import Authority, CertificateAndKey
from flotta.identity.keys import key_to_pem, load_key, new_key
from flotta.identity.requests import certificate_request, load_request
from flotta.protocol.grpc import Config
from flotta.protocol.models import EnrolmentInfo, Heartbeat, RegistrationInfo
from flotta.worker.certificate_session import CERTIFICATE_RECORD
from flotta.worker.errors import DeliveryError
from flotta.worker.own_certificate import pair_files, record, renewal, session
from flotta.worker.own_certificate.own_certificate import OwnCertificate
from flotta.worker.own_certificate.pair import MAX_PEM, Pair
from flotta.worker.own_certificate.pair_files import PairFiles, finish_interrupted_change
from waiting import eventually

UID = "0b6f0f5c-2f10-4a55-8d3e-5f0c2c3e9e0f"
AUTHORITY = Authority.create("Flotta CA")
REGISTRATION = AUTHORITY.issue_registration()


class Died(BaseException):
    """The power cut."""


class Device:
    def __init__(self, folder: Path) -> None:
        self.state = folder / "state"
        self.state.mkdir()
        self.cert_file, self.key_file = folder / "cert.pem", folder / "key.pem"
        (folder / "ca.pem").write_bytes(AUTHORITY.certificate_pem)
        self.ca = folder / "ca.pem"
        self.give(REGISTRATION)

    def give(self, identity: CertificateAndKey) -> None:
        self.cert_file.write_bytes(identity.certificate)
        self.key_file.write_bytes(identity.key)

    @property
    def files(self) -> PairFiles:
        """As a process has them that has just started."""
        return PairFiles(self.state, self.cert_file, self.key_file)

    def own(self, device_id: str = "till-7") -> OwnCertificate:
        return OwnCertificate(self.files, [self.ca], device_id)

    @property
    def found(self) -> Pair:
        return Pair(self.cert_file.read_bytes(), self.key_file.read_bytes())


@pytest.fixture
def device(tmp_path: Path) -> Device:
    return Device(tmp_path)


def issue(key: Any, device_id: str = "till-7", authority: Authority = AUTHORITY) -> Pair:
    request = load_request(certificate_request(key, device_id))
    return Pair(authority.sign_device(request, device_id, "default", UID, 30), key_to_pem(key))


def answer(found: Pair) -> object:
    return {"content": {"certificate": found.certificate.decode()}}


def test_no_crash_leaves_a_pair_that_does_not_match(
    device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Die before each step that changes a file, in the middle of each write, and after the last."""
    new = issue(device.files.pending_key())
    write, fsync = pair_files._write_in_place, os.fsync
    steps = 0

    def dying(left: list[int], work: Callable[..., None]) -> Callable[..., None]:
        def step(*arguments: Any) -> None:
            left[0] -= 1
            if left[0] < 0:
                if work is write:
                    path, content = arguments
                    path.write_bytes(content[: steps * 50 % len(content)])
                raise Died
            work(*arguments)

        return step

    while True:
        device.give(REGISTRATION)
        (device.state / CERTIFICATE_RECORD).unlink(missing_ok=True)
        left = [steps]
        monkeypatch.setattr(os, "fsync", dying(left, fsync))
        monkeypatch.setattr(pair_files, "_write_in_place", dying(left, write))
        with contextlib.suppress(Died):
            device.files.install(new)
        monkeypatch.setattr(os, "fsync", fsync)
        monkeypatch.setattr(pair_files, "_write_in_place", write)
        finish_interrupted_change(device.state)
        assert device.found in (new, Pair(REGISTRATION.certificate, REGISTRATION.key)), steps
        assert device.files.load().pair == device.found
        if left[0] > 0:
            break
        steps += 1
    assert device.found == new
    assert steps > 6


@pytest.mark.parametrize("content", [b"", b"-----BEGIN CERT", None])
@pytest.mark.parametrize("name", ["cert_file", "key_file"])
def test_a_file_that_was_torn_is_written_again(
    device: Device, name: str, content: bytes | None
) -> None:
    new = issue(device.files.pending_key())
    device.files.install(new)
    path: Path = getattr(device, name)
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    assert device.files.load().pair == new
    assert device.found == new
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("shorter", [0, 40])  # in lines
def test_a_renewal_of_which_a_part_reached_the_disk_is_written_again(
    device: Device, shorter: int
) -> None:
    """The certificates have the same layout: a mixture of both can be read, and fits the key."""
    key = device.files.pending_key()
    old = issue(key)
    old = Pair(old.certificate + b"# kept by hand\n" * shorter, old.key)
    device.cert_file.write_bytes(old.certificate)
    device.key_file.write_bytes(old.key)
    new = issue(key)
    for size in (*range(64, len(new.certificate), 64), len(new.certificate)):
        device.files.install(new)
        device.cert_file.write_bytes(new.certificate[:size] + old.certificate[size:])
        assert device.files.load().pair == new, size
        assert device.found == new, size
        device.cert_file.write_bytes(old.certificate)
        (device.state / CERTIFICATE_RECORD).unlink()


def test_a_pair_that_somebody_else_installs_counts_and_half_of_it_is_left_alone(
    device: Device,
) -> None:
    device.files.install(issue(device.files.pending_key()))
    other = AUTHORITY.issue_registration()
    device.cert_file.write_bytes(other.certificate)
    with pytest.raises(DeliveryError, match="do not belong together"):
        device.files.load()
    assert device.cert_file.read_bytes() == other.certificate
    device.key_file.write_bytes(other.key)
    assert not device.files.load().is_device
    assert not device.files.go_back()


def test_files_that_are_written_keep_their_inode(device: Device) -> None:
    before = device.cert_file.stat().st_ino, device.key_file.stat().st_ino
    device.files.install(issue(device.files.pending_key()))
    assert (device.cert_file.stat().st_ino, device.key_file.stat().st_ino) == before


def test_a_key_that_waits_survives_a_restart_and_is_new(device: Device) -> None:
    first, second = (device.files.pending_key() for _ in range(2))
    assert key_to_pem(first) == key_to_pem(second) != REGISTRATION.key
    assert stat.S_IMODE((device.state / CERTIFICATE_RECORD).stat().st_mode) == 0o600


async def test_a_renewal_keeps_the_key(device: Device) -> None:
    own = device.own()
    first = issue(device.files.pending_key())
    await own.take(RegistrationInfo(), 200, answer(first))
    complete: Any = await own.complete(RegistrationInfo())
    request = load_request(complete.certificate_request)
    assert request.public_key() == load_key(first.key).public_key()
    await own.take(RegistrationInfo(), 200, answer(issue(load_key(first.key))))
    assert device.key_file.read_bytes() == first.key
    assert device.cert_file.read_bytes() != first.certificate


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (lambda key: issue(new_key()), "do not belong together"),
        (lambda key: issue(key, "till-8"), "not for device till-7"),
        (lambda key: issue(key, authority=Authority.create("x")), "not issued by a CA"),
        (lambda key: Pair(REGISTRATION.certificate, b""), "do not belong together"),
        (lambda key: Pair(b"none", b""), "no readable PEM"),
    ],
)
async def test_a_wrong_certificate_changes_nothing(
    device: Device, wrong: Callable[[Any], Pair], reason: str
) -> None:
    before, key = device.found, device.files.pending_key()
    with pytest.raises(DeliveryError, match=reason) as error:
        await device.own().take(RegistrationInfo(), 200, answer(wrong(key)))
    assert "[CertificateNotInstalled]" in str(error.value)
    assert device.found == before
    assert key_to_pem(device.files.pending_key()) == key_to_pem(key)


async def test_only_certificates_of_a_response_reach_the_files_and_only_small_ones(
    device: Device,
) -> None:
    new = issue(device.files.pending_key())
    text = new.certificate.decode()
    large = {"content": {"certificate": text + "x" * MAX_PEM}}
    with pytest.raises(DeliveryError, match=r"larger than 16384 bytes.*CertificateNotInstalled"):
        await device.own().take(RegistrationInfo(), 200, large)
    assert device.found == Pair(REGISTRATION.certificate, REGISTRATION.key)
    annotated = {"content": {"certificate": f"M\u00fcller \ud800\n{text}# the end"}}
    await device.own().take(RegistrationInfo(), 200, annotated)
    assert device.found == new


async def test_files_in_any_encoding_and_of_any_size_that_can_be_read_are_kept_and_put_back(
    device: Device,
) -> None:
    before = Pair(b"O=M\xfcller\n" * 9000 + REGISTRATION.certificate, REGISTRATION.key)
    device.cert_file.write_bytes(before.certificate)
    own, new = device.own(), issue(device.files.pending_key())
    await own.take(RegistrationInfo(), 200, answer(new))
    assert device.found == new
    assert await own.go_back()
    assert device.found == before


@pytest.mark.parametrize("body", [None, {}, {"content": None}, {"content": {"certificate": 7}}])
async def test_a_response_without_certificate_is_named(device: Device, body: object) -> None:
    with pytest.raises(DeliveryError, match="CertificateNotInstalled"):
        await device.own().take(RegistrationInfo(), 200, body)


async def test_without_a_ca_of_the_gateway_the_issuer_has_to_stay_the_same(device: Device) -> None:
    device.ca.unlink()
    key = device.files.pending_key()
    other = issue(key, authority=Authority.create("Flotta CA"))
    with pytest.raises(DeliveryError, match="not issued"):
        await device.own().take(RegistrationInfo(), 200, answer(other))
    await device.own().take(RegistrationInfo(), 200, answer(issue(key)))
    assert device.files.load().is_device


async def test_an_id_that_no_device_can_have_is_named(device: Device) -> None:
    with pytest.raises(DeliveryError, match=r"`client-id`.*CertificateUnusable"):
        await device.own("register").complete(EnrolmentInfo())


async def test_what_was_never_accepted_is_taken_back_and_its_key_is_asked_for_again(
    device: Device,
) -> None:
    own, key = device.own(), device.files.pending_key()
    await own.take(RegistrationInfo(), 200, answer(issue(key)))
    assert await own.go_back()
    assert device.found == Pair(REGISTRATION.certificate, REGISTRATION.key)
    assert key_to_pem(device.files.pending_key()) == key_to_pem(key)
    await own.take(RegistrationInfo(), 200, answer(issue(key)))
    await own.take(Heartbeat(), 200, None)
    assert not await own.go_back()
    assert device.files.load().is_device
    assert record.read_record(device.state).before is None


async def test_a_refused_renewal_goes_back(
    device: Device, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(renewal, "URGENT_RETRY", (0.01, 0.01))
    own, unregistered = device.own(), asyncio.Event()
    own.on_unregistered = unregistered.set
    await own.take(RegistrationInfo(), 200, answer(issue(device.files.pending_key())))
    await own.take(Heartbeat(), 401, None)

    async def refuse() -> int:
        return 403

    running = asyncio.create_task(renewal.Renewal(own, refuse).run())
    async with asyncio.timeout(30):
        await unregistered.wait()
    running.cancel()
    assert "the one before it is back [CertificateNotInstalled]" in caplog.text
    assert device.found == Pair(REGISTRATION.certificate, REGISTRATION.key)


async def test_a_valid_certificate_is_asked_for_seldom_and_an_urgent_one_often(
    device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each attempt has the control plane sign a certificate, also one that is not installed."""
    monkeypatch.setattr(renewal, "URGENT_RETRY", (0.01, 0.01))
    own, attempts = device.own(), []
    await own.take(RegistrationInfo(), 200, answer(issue(device.files.pending_key())))
    await own.take(Heartbeat(), 200, None)
    monkeypatch.setattr(own, "_early", 1.0)  # two thirds are over

    async def fail() -> int:
        attempts.append(own.demanded.is_set())
        if len(attempts) == 1:
            asyncio.get_running_loop().call_later(0.2, own.demanded.set)
        return 500

    running = asyncio.create_task(renewal.Renewal(own, fail).run())
    await eventually(lambda: len(attempts) > 4)
    running.cancel()
    assert attempts[:5] == [False, True, True, True, True]


def test_the_repair_runs_before_a_gateway_starts(device: Device) -> None:
    new = issue(device.files.pending_key())
    device.files.install(new)
    device.key_file.write_bytes(b"torn")
    environment = {**os.environ, "FLOTTA_WORKER_STATE": str(device.state)}
    command = [sys.executable, "-m", "flotta.worker.own_certificate"]
    subprocess.run(command, env=environment, check=True)
    assert device.found == new
    device.cert_file.write_bytes(AUTHORITY.issue_registration().certificate)
    failed = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert failed.returncode == 1
    assert "[CertificateUnusable]" in failed.stderr


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refusal_with_the_registration_certificate_asks_for_registration(
    device: Device, status: int
) -> None:
    own, asked = device.own(), []
    own.on_unregistered = lambda: asked.append(status)
    await own.take(Heartbeat(), status, None)
    assert asked == [status]
    assert not own.demanded.is_set()


def test_no_text_about_it_has_the_key(device: Device) -> None:
    opened = device.files.load()
    text = f"{opened!r} {opened.pair!r}"
    assert "PRIVATE" not in text
    assert REGISTRATION.key.decode().splitlines()[1] not in text


async def nothing() -> int:
    return 200


@pytest.mark.parametrize(
    ("cert_file", "key_file", "user"),
    [
        ("/etc/pki/cert.pem", "/etc/pki/key.pem", 65534),
        ("cert.pem", "/etc/pki/key.pem", 0),
        ("/etc/pki/pair.pem", "/etc/pki/pair.pem", 0),
    ],
)
def test_only_root_or_the_workers_user_may_name_files_and_only_usable_ones(
    tmp_path: Path, cert_file: str, key_file: str, user: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    config = Config(cert_file=cert_file, key_file=key_file, client_id="till-7")
    assert session.begin_session(tmp_path, config, user, nothing, lambda: None) is None
    assert "[RenewalUnsupported]" in caplog.text


def test_a_damaged_record_is_none(tmp_path: Path) -> None:
    (tmp_path / CERTIFICATE_RECORD).write_bytes(b"\xff{")
    assert record.read_record(tmp_path) == record.Record()
    finish_interrupted_change(tmp_path)


def test_a_path_that_is_not_a_file_is_not_written(device: Device, tmp_path: Path) -> None:
    new = issue(device.files.pending_key())
    device.key_file.unlink()
    os.mkfifo(device.key_file)
    with pytest.raises(DeliveryError, match="CertificateUnusable"):
        device.files.install(new)
    assert device.cert_file.read_bytes() == REGISTRATION.certificate
