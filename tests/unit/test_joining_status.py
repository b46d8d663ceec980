"""What the gateway tells people about joining is written when it changes, and only then."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from flotta.gateway.errors import GatewayError, UntrustedServer
from flotta.gateway.http_client import HttpResponse
from flotta.gateway.joining_status import JoiningStatusFile
from flotta.gateway.settings import Settings
from flotta.protocol.joining import MAX_SIZE, JoiningStatus, Phase, encode_joining, read_joining

FINGERPRINT = "0" * 64


class Store:
    fingerprint = FINGERPRINT

    def read_key_fingerprint(self) -> str:
        return self.fingerprint


@pytest.fixture
def status(tmp_path: Path) -> JoiningStatusFile:
    settings = Settings(
        host="plane.example",
        port=8888,
        device_id="till-7",
        cert_file=tmp_path / "cert.pem",
        key_file=tmp_path / "key.pem",
        ca_root=(),
        socket=tmp_path / "gateway.sock",
    )
    return JoiningStatusFile(settings, Store())  # type: ignore[arg-type]


def read(status: JoiningStatusFile) -> JoiningStatus:
    found = read_joining(status.path)
    assert found is not None
    return found


def refusal(code: int, **body: str) -> HttpResponse:
    return HttpResponse(code, {}, json.dumps(body).encode())


def test_a_request_that_waits_is_shown_with_the_code_of_its_key(status: JoiningStatusFile) -> None:
    status.note_response("enrolment", HttpResponse(200, {}))
    found = read(status)
    assert (found.phase, found.reason, found.code) == (Phase.WAITING, "NotJoined", "C3G5-QMDH")
    assert (found.server, found.device_id) == ("plane.example:8888", "till-7")
    assert "till-7 waits for the approval" in found.message
    assert status.path.stat().st_mode & 0o777 == 0o640


def test_the_control_plane_says_why_it_refuses(status: JoiningStatusFile) -> None:
    sentence = "the registration batch tills was revoked"
    status.note_response("enrolment", refusal(403, reason="RegistrationRevoked", message=sentence))
    found = read(status)
    assert (found.phase, found.reason, found.message) == (
        Phase.REFUSED,
        "RegistrationRevoked",
        sentence,
    )


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b'{"reason": 7}', b"[" * 9999, b'{"reason":"\x1b"}']
)
def test_a_refusal_without_a_reason_of_ours_has_one_all_the_same(
    status: JoiningStatusFile, body: bytes
) -> None:
    status.note_response("registration", HttpResponse(403, {}, body))
    found = read(status)
    assert (found.phase, found.reason) == (Phase.REFUSED, "RequestRefused")
    assert "does not accept this certificate" in found.message


@pytest.mark.parametrize("code", [429, 500, 503])
def test_trouble_of_the_control_plane_is_no_refusal(status: JoiningStatusFile, code: int) -> None:
    status.note_response("enrolment", HttpResponse(code, {}))
    assert read(status).phase is Phase.CONNECTING


def test_what_another_party_says_cannot_act_on_a_console(status: JoiningStatusFile) -> None:
    status.note_refusal(refusal(403, reason="OtherKey", message="\x1b[2J\n" + "x" * 9999))
    assert "\x1b" not in status.path.read_text()
    assert "\\u001b" not in status.path.read_text()
    assert len(read(status).message) == 1024


def test_an_attempt_that_fails_as_before_writes_nothing(status: JoiningStatusFile) -> None:
    status.note_error(GatewayError("no route to host"))
    before = status.path.stat().st_ino  # each write is a new file
    status.note_error(GatewayError("no route to host"))
    assert status.path.stat().st_ino == before
    status.note_error(UntrustedServer("its certificate is not of our CA"))
    assert status.path.stat().st_ino != before
    assert read(status).reason == "ServerNotTrusted"
    assert read(status).message == "its certificate is not of our CA"


def test_an_approval_that_is_repeated_does_not_take_a_device_out(status: JoiningStatusFile) -> None:
    status.note_response("enrolment", HttpResponse(208, {}))
    assert read(status).phase is Phase.CONNECTING
    status.note_joined()
    status.note_response("enrolment", HttpResponse(208, {}))
    assert read(status).phase is Phase.JOINED


def test_a_device_that_was_removed_says_so(status: JoiningStatusFile) -> None:
    status.note_removed()
    assert (read(status).phase, read(status).reason) == (Phase.REFUSED, "DeviceRemoved")


def test_a_file_that_cannot_be_written_keeps_nobody(
    status: JoiningStatusFile, caplog: pytest.LogCaptureFixture
) -> None:
    folder = status.path.parent
    folder.rmdir()
    status.note_start()
    status.note_start()
    assert caplog.text.count("NotStored") == 1
    folder.mkdir()
    status.note_start()
    assert read(status).phase is Phase.CONNECTING


def test_the_file_goes_with_the_gateway(status: JoiningStatusFile) -> None:
    status.note_start()
    status.remove()
    status.remove()
    assert read_joining(status.path) is None


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"[]", b'{"phase":"Other"}', b"\xff", b"[" * 9999, b"x" * (MAX_SIZE + 1)],
)
def test_a_file_that_cannot_be_read_says_nothing(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "joining.json"
    path.write_bytes(content)
    assert read_joining(path) is None
    path.unlink()
    os.mkfifo(path)
    assert read_joining(path) is None


def test_members_of_a_newer_gateway_are_ignored(tmp_path: Path) -> None:
    path = tmp_path / "joining.json"
    written = json.loads(encode_joining(JoiningStatus(phase=Phase.JOINED)))
    path.write_text(json.dumps({**written, "later": 1}))
    assert read_joining(path) == JoiningStatus(phase=Phase.JOINED)
