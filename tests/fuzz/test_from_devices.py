"""Foreign bytes of devices, as the control plane reads them."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from hypothesis import strategies as st
from inputs import as_json, json_values, like, mutations, text_mutations, texts
from properties import assert_all_printable, assert_printable, assert_small

from flotta.edge_api.authorization import checked_device_id
from flotta.edge_api.refusals import Refusal
from flotta.fleet import hardware, hardware_labels
from flotta.fleet.explanation import explain_device
from flotta.fleet.heartbeat import apply_heartbeat, find_transitions
from flotta.fleet.status import device_rows
from flotta.identity.authority import Authority
from flotta.identity.keys import new_key
from flotta.identity.peers import PeerError, is_device_id, read_peer
from flotta.identity.requests import RequestError, certificate_request, load_request
from flotta.protocol import models
from flotta.protocol.envelope import Message, decode, decode_message, encode
from flotta.resources.events import MESSAGE_LIMIT, build_event
from flotta.resources.kinds import EDGE_DEVICE
from flotta.rfc3339 import parse_time
from flotta.serving.proxy_protocol import ProxyHeaderError, Source, read_header

Fuzz = Callable[..., None]
MESSAGES = Path(__file__).parents[1] / "data" / "messages"
NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
RECORDED = [json.loads(path.read_bytes()) for path in sorted(MESSAGES.glob("from-agent-*.json"))]
CONTENTS = [message["content"] for message in RECORDED]
ENVELOPES = [json.dumps(message).encode() for message in RECORDED]
AUTHORITY = Authority.create("Flotta CA")
KEY = new_key()
REQUEST = certificate_request(KEY, "till-7")
DEVICE = AUTHORITY.sign_device(load_request(REQUEST), "till-7", "default", "uid", 1)
LabelValue = Annotated[
    str, msgspec.Meta(pattern=r"^[a-z0-9]([a-z0-9\-_.]{0,61}[a-z0-9])?$", max_length=63)
]


def device() -> dict[str, Any]:
    entries = [{"name": "web", "phase": "Running"}, {"name": "os-stats", "phase": "Running"}]
    return {
        "metadata": {"name": "till-7", "namespace": "default", "uid": "u"},
        "spec": {},
        "status": {"workloads": entries},
    }


def test_envelopes(fuzz: Fuzz) -> None:
    def check(data: bytes) -> None:
        try:
            message = decode_message(data)
        except ValueError:
            return
        again = decode_message(encode(message))
        assert encode(again) == encode(message)
        assert isinstance(message, Message)

    fuzz(check, st.one_of(mutations(*ENVELOPES), as_json(like(*RECORDED))))


def test_contents_of_every_directive(fuzz: Fuzz) -> None:
    types = (models.EnrolmentInfo, models.RegistrationInfo, models.Heartbeat)

    def check(data: bytes, type_: Any) -> None:
        try:
            content = decode(data, type_)
        except ValueError:
            return
        assert decode(encode(content), type_) == content

    fuzz(check, as_json(st.one_of(like(*CONTENTS), json_values())), st.sampled_from(types))


def test_heartbeats_become_a_bounded_and_printable_status(fuzz: Fuzz) -> None:
    def check(data: bytes) -> None:
        try:
            heartbeat = decode(data, models.Heartbeat)
        except ValueError:
            return
        known = device()
        status = apply_heartbeat(known, heartbeat, NOW)
        assert_all_printable(status)
        assert_small(status, 512 * 1024)
        assert apply_heartbeat({**known, "status": status}, heartbeat, NOW) == status
        for transition in find_transitions(known["status"], status):
            assert_printable(transition.reason + transition.message)
        shown = {**known, "status": status}
        assert_all_printable(explain_device(shown, [], []))
        [row] = device_rows([shown], [])
        assert_all_printable([str(row)])

    fuzz(check, as_json(like(*CONTENTS)))


def test_hardware_becomes_labels(fuzz: Fuzz) -> None:
    examples = [content["hardware"] for content in CONTENTS if content and content.get("hardware")]

    def check(data: bytes) -> None:
        try:
            report = decode(data, models.HardwareInfo)
        except ValueError:
            return
        merged = hardware.merge_report(None, report)
        assert_all_printable(merged)
        assert_small(merged, 2 * hardware.SIZE_LIMIT)
        assert hardware.merge_report(merged, report) == merged
        for value in hardware_labels.hardware_labels(merged).values():
            assert msgspec.convert(value, type=LabelValue) == value

    fuzz(check, as_json(like(*examples)))


def test_any_text_becomes_a_label_value_or_nothing(fuzz: Fuzz) -> None:
    def check(text: str) -> None:
        value = hardware_labels.label_value(text)
        assert not value or msgspec.convert(value, type=LabelValue) == value

    fuzz(check, texts())


def test_events_of_devices(fuzz: Fuzz) -> None:
    def check(reason: str, message: str) -> None:
        event = build_event(device(), EDGE_DEVICE, "Warning", reason, message, "flotta-edge-api")
        assert_printable(event["reason"])
        assert_printable(event["message"])
        assert len(event["message"].encode()) <= MESSAGE_LIMIT

    fuzz(check, texts(), texts())


def test_certificate_requests(fuzz: Fuzz) -> None:
    def check(pem: bytes) -> None:
        try:
            request = load_request(pem)
        except RequestError:
            return
        assert request.is_signature_valid
        issued = AUTHORITY.sign_device(request, "till-7", "default", "uid", 1)
        assert read_peer(as_der(issued)).device_id == "till-7"

    fuzz(check, mutations(REQUEST))


def test_client_certificates(fuzz: Fuzz) -> None:
    def check(der: bytes) -> None:
        try:
            peer = read_peer(der)
        except PeerError:
            return
        assert peer.kind == "registration" or is_device_id(peer.device_id)

    fuzz(check, mutations(as_der(DEVICE), as_der(AUTHORITY.issue_registration().certificate)))


def test_device_ids_in_paths(fuzz: Fuzz) -> None:
    def check(text: str) -> None:
        try:
            device_id = checked_device_id(text)
        except Refusal as refusal:
            assert_printable(refusal.message)
            return
        assert is_device_id(device_id)

    fuzz(check, text_mutations("till-7", "register", "a.b-c"))


def test_headers_of_the_proxy_protocol(fuzz: Fuzz) -> None:
    line = b"PROXY TCP4 192.0.2.1 192.0.2.2 4711 8043\r\n"
    binary = b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c" + bytes(12)

    def check(data: bytes) -> None:
        try:
            source, rest = asyncio.run(read_all(data))
        except ProxyHeaderError:
            return
        assert data.endswith(rest)
        if source is not None:
            assert 0 <= source.port <= 65535
            assert_printable(source.host)

    fuzz(
        check,
        mutations(line, line + b"\x16\x03\x01", binary, binary + b"rest", b"PROXY UNKNOWN\r\n"),
    )


async def read_all(data: bytes) -> tuple[Source | None, bytes]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(data)
        theirs.shutdown(socket.SHUT_WR)

        async def readable() -> None: ...

        source = await read_header(ours, readable)
        return source, ours.recv(1 << 16)


def test_times(fuzz: Fuzz) -> None:
    def check(text: str) -> None:
        try:
            moment = parse_time(text)
        except ValueError:
            return
        assert moment is None or moment.tzinfo is not None

    fuzz(check, text_mutations("2026-05-01T12:00:00Z", "2026-05-01T12:00:00.123456789+02:00"))


def as_der(pem: bytes) -> bytes:
    return x509.load_pem_x509_certificate(pem).public_bytes(serialization.Encoding.DER)
