"""Names in any case, as Go's decoder of v0.2 reads them."""

from __future__ import annotations

import json
import time
from pathlib import Path

import msgspec
import pytest

from flotta.protocol.envelope import Message, decode, decode_message
from flotta.protocol.models import DeviceConfigurationMessage, EnrolmentInfo, Heartbeat
from flotta.protocol.property_names import with_exact_names

MESSAGES = Path(__file__).parents[1] / "data" / "messages"


def test_names_in_another_case_are_read() -> None:
    message = decode_message(b'{"TYPE":"data","Directive":"heartbeat","Content":{"STATUS":"up"}}')
    heartbeat = decode(
        b'{"STATUS":"up","Playbook-Executions":[{"Name":"p"}],"upgrade":{"CURRENT_COMMIT_id":"c"},'
        b'"hardware":{"CPU":{"Model_Name":"M"},"disks":[{"SIZE_bytes":1},null]}}',
        Heartbeat,
    )

    assert (message.type, message.directive, message.content) == (
        "data",
        "heartbeat",
        msgspec.Raw(b'{"STATUS":"up"}'),
    )
    assert heartbeat.status == "up"
    assert heartbeat.playbook_executions is not None
    assert heartbeat.playbook_executions[0].name == "p"  # type: ignore[union-attr]
    assert heartbeat.upgrade is not None
    assert heartbeat.upgrade.current_commit_id == "c"
    assert heartbeat.hardware is not None
    assert heartbeat.hardware.cpu is not None
    assert heartbeat.hardware.cpu.model_name == "M"
    assert heartbeat.hardware.disks is not None
    assert heartbeat.hardware.disks[0].size_bytes == 1  # type: ignore[union-attr]


def test_the_last_of_two_names_counts() -> None:
    assert decode(b'{"status":"up","STATUS":"degraded"}', Heartbeat).status == "degraded"


def test_keys_of_maps_stay_as_they_are() -> None:
    info = decode(b'{"Labels":{"Status":"a","status":"b"}}', EnrolmentInfo)
    assert info.labels == {"Status": "a", "status": "b"}


def test_numbers_and_order_of_a_renamed_message_stay() -> None:
    message = decode_message(b'{"Type":"data","content":{"a":1.50,"z":12345678901234567890123}}')
    assert bytes(message.content) == b'{"a":1.50,"z":12345678901234567890123}'


@pytest.mark.parametrize("text", [b"{", b'{"Status":', b'{"Status":1}', b"[1]", b'"Status":', b""])
def test_what_is_wrong_otherwise_is_still_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode(text or b"x", Heartbeat)


def test_deep_nesting_is_refused_as_before() -> None:
    deep = b'{"STATUS":"up","hardware":' + b'{"cpu":' * 2000 + b"1" + b"}" * 2001
    with pytest.raises(ValueError, match="nested too deeply"):
        decode(deep, Heartbeat)


def test_recorded_messages_are_not_touched() -> None:
    for path in MESSAGES.glob("*.json"):
        data = path.read_bytes()
        assert with_exact_names(data, Message) is data
        content = json.dumps(json.loads(data)["content"]).encode()
        for model in (Heartbeat, EnrolmentInfo, DeviceConfigurationMessage):
            assert with_exact_names(content, model) is content


def test_a_message_in_which_every_name_is_wrong_takes_no_more_than_repairing_numbers() -> None:
    item = b'{"NAME":"w","STATUS":"Running"},'
    text = b'{"WORKLOADS":[' + item * (32_000 // len(item)) + b"null]}"
    times = []
    for _ in range(5):
        begin = time.perf_counter()
        decode(text, Heartbeat)
        times.append(time.perf_counter() - begin)
    assert min(times) < 0.1
