"""JSON of another party: nesting and numbers."""

from __future__ import annotations

import msgspec
import pytest

from flotta.protocol.envelope import decode, decode_message
from flotta.protocol.json_text import decode_json, decode_report
from flotta.protocol.models import Heartbeat


def nested(levels: int) -> bytes:
    return (
        b'{"a":[' * (levels // 2)
        + b"[" * (levels % 2)
        + b"]" * (levels % 2)
        + b"]}" * (levels // 2)
    )


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 200_000,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"content":' + nested(5_000) + b"}",
        b'{"metadata":' + nested(5_000) + b"}",
        b'{"a":"' + b'\\"' * 100_000,
        b'"' * 200_001,
        b'"\\',
        b"[]" * 100_000,
        b"{]" * 100_000,
    ],
)
def test_deep_and_broken_json_is_refused_as_malformed(data: bytes) -> None:
    for decoder in (decode_message, lambda given: decode(given, Heartbeat)):
        with pytest.raises(msgspec.DecodeError):
            decoder(data)


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e400", "1e25", "9" * 26, "9" * 5000])
def test_a_number_that_nothing_can_store_leaves_the_rest_of_the_report(number: str) -> None:
    cpu = f'{{"count": {number}, "frequency": 1.5}}'
    beat = decode_report(
        f'{{"status": "up", "hardware": {{"cpu": {cpu}}}, "events": [{number}]}}'.encode(),
        Heartbeat,
    )

    assert beat.status == "up"
    assert beat.hardware is not None
    assert beat.hardware.cpu is not None
    assert beat.hardware.cpu.frequency == 1.5
    assert beat.hardware.cpu.count in (None, int("9" * 26))
    assert beat.events in ([], None)


def test_a_value_of_another_type_is_still_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match=r"\$\.status"):
        decode_report(b'{"status": 5, "version": ""}', Heartbeat)


def test_text_that_is_not_utf_8_is_refused_like_other_wrong_json() -> None:
    with pytest.raises(msgspec.DecodeError, match="not UTF-8"):
        decode_json(b'{"a": "\x80"}', dict[str, str])
