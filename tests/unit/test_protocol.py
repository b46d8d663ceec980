"""The wire models read what existing agents send and write what they read."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from flotta.protocol import grpc
from flotta.protocol.envelope import (
    decode,
    decode_message,
    encode,
    new_command_message,
    new_data_message,
)
from flotta.protocol.forwarded_response import ForwardedResponse
from flotta.protocol.models import DeviceConfiguration, Heartbeat, HeartbeatConfiguration
from flotta.rfc3339 import NEVER, format_wire_time, parse_required_time, parse_time


def test_heartbeat_reads_null_as_absent_and_keeps_odd_names() -> None:
    heartbeat = decode(
        b'{"status":"up","workloads":null,"playbook-executions":[null],'
        b'"upgrade":{"current_commit_ID":"unknown"},"unheard":1}',
        Heartbeat,
    )
    assert heartbeat.workloads is None
    assert heartbeat.playbook_executions == [None]
    assert heartbeat.upgrade is not None
    assert heartbeat.upgrade.current_commit_id == "unknown"


def test_null_content_is_an_empty_model() -> None:
    assert decode(b"null", Heartbeat) == Heartbeat()


def test_wrong_type_names_the_path() -> None:
    with pytest.raises(ValueError, match=r"\$\.workloads\[0\]\.name"):
        decode(b'{"workloads":[{"name":5}]}', Heartbeat)


def test_heartbeat_configuration_always_carries_the_hardware_profile() -> None:
    text = encode(DeviceConfiguration(heartbeat=HeartbeatConfiguration()))
    assert text == b'{"heartbeat":{"hardware_profile":{},"period_seconds":60}}'


def test_data_message_embeds_its_content() -> None:
    sent = encode(new_data_message("heartbeat", Heartbeat(status="up")))
    read = decode_message(sent)
    assert (read.type, read.directive, read.version) == ("data", "heartbeat", 1)
    assert decode(read.content, Heartbeat).status == "up"


def test_disconnect_is_the_recorded_command() -> None:
    assert bytes(new_command_message("disconnect").content) == (
        b'{"command":"disconnect","arguments":null}'
    )


def test_unknown_message_type_is_refused() -> None:
    with pytest.raises(ValueError, match="should be one of"):
        decode_message(b'{"type":"gossip"}')


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-21T08:38:18.901186199Z", datetime(2026, 11, 21, 8, 38, 18, 901186, UTC)),
        ("2026-01-10T09:00:00.123456789+01:00", datetime(2026, 1, 10, 8, 0, 0, 123456, UTC)),
        ("2026-01-10T09:00:00-0130", datetime(2026, 1, 10, 10, 30, tzinfo=UTC)),
        ("2026-01-10T09:00", datetime(2026, 1, 10, 9, 0, tzinfo=UTC)),
        ("2026-01-10", datetime(2026, 1, 10, tzinfo=UTC)),
        (NEVER, None),
        ("", None),
    ],
)
def test_date_times_of_every_accepted_form(text: str, expected: datetime | None) -> None:
    assert parse_time(text) == expected


def test_text_that_is_not_a_date_time_is_refused() -> None:
    with pytest.raises(ValueError, match="not a date-time"):
        parse_time("yesterday")


@pytest.mark.parametrize("text", ["", NEVER, "yesterday"])
def test_a_time_that_has_to_be_there_is_not_never(text: str) -> None:
    with pytest.raises(ValueError, match="is not a date-time"):
        parse_required_time(text)


def test_time_is_written_with_milliseconds() -> None:
    assert (
        format_wire_time(datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)) == "2026-01-02T03:04:05.678Z"
    )
    assert format_wire_time(None) == NEVER


def test_grpc_data_has_the_field_numbers_of_the_gateway() -> None:
    data = grpc.Data(message_id="m", content=b"c", response_to="r", directive="d")
    assert data.SerializeToString() == b'\n\x01m\x1a\x01c"\x01r*\x01d'


def test_a_forwarded_response_has_the_names_and_the_order_of_yggdrasil() -> None:
    headers = {"Content-Type": "application/json", "Retry-After": "5"}
    response = ForwardedResponse(503, {"reason": "busy", "list": [1, None]}, headers)

    sent = encode(response)

    assert sent == (
        b'{"StatusCode":503,"Body":{"reason":"busy","list":[1,null]},'
        b'"Metadata":{"Content-Type":"application/json","Retry-After":"5"}}'
    )
    assert decode(sent, ForwardedResponse) == response


def test_a_forwarded_response_without_a_body_says_null() -> None:
    sent = encode(ForwardedResponse(204, None, {}))

    assert sent == b'{"StatusCode":204,"Body":null,"Metadata":{}}'


@pytest.mark.parametrize("text", [b'{"StatusCode":200}', b'{"StatusCode":200,"Metadata":null}'])
def test_a_forwarded_response_needs_no_more_than_a_status(text: bytes) -> None:
    assert decode(text, ForwardedResponse) == ForwardedResponse(200)


@pytest.mark.parametrize("text", [b"{}", b"[]", b"\xff", b'{"StatusCode":"no"}'])
def test_a_forwarded_response_without_a_status_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode(text, ForwardedResponse)
