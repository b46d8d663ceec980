from __future__ import annotations

from fleet_objects import device

from flotta.resources.events import build_event
from flotta.resources.kinds import EDGE_DEVICE

HOSTILE = "ok\n\x1b[2JForged line\u202e"


def test_words_of_a_device_are_printable_and_short_enough_for_an_event() -> None:
    about = device()
    about["metadata"]["uid"] = "u"
    event = build_event(about, EDGE_DEVICE, "Warning", HOSTILE, HOSTILE, "flotta-edge-api")
    assert event["reason"] == event["action"] == event["message"] == "ok␊␛[2JForged line�"

    event = build_event(about, EDGE_DEVICE, "Warning", "R" * 500, "\x1b" * 5000, "flotta-edge-api")
    assert len(event["reason"].encode()) == 128
    assert len(event["message"].encode()) <= 1024
    event = build_event(about, EDGE_DEVICE, "Warning", "\x1b" * 128, "m", "flotta-edge-api")
    assert len(event["action"].encode()) <= 128


def test_repetitions_of_a_long_message_are_one_event() -> None:
    about = device()
    about["metadata"]["uid"] = "u"
    names = {
        build_event(about, EDGE_DEVICE, "Warning", "R", text, "flotta-edge-api")["metadata"]["name"]
        for text in ("m" * 5000, "m" * 6000)
    }
    assert len(names) == 1
