"""Events that wait on the device until the control plane has them."""

from __future__ import annotations

import json
from pathlib import Path

from flotta.worker.events import MAX_EVENTS, EventQueue


def test_events_wait_for_their_acknowledgement_across_a_restart(tmp_path: Path) -> None:
    queue = EventQueue(tmp_path / "events.json")
    queue.add_warning("A", "one")
    queue.add_warning("A", "one")
    queue.add_warning("B", "two", workload="web")

    again = EventQueue(tmp_path / "events.json")
    sent = again.next_batch()
    assert [(e.reason, e.type, e.workload) for e in sent] == [
        ("A", "warn", ""),
        ("B", "warn", "web"),
    ]
    again.add_warning("C", "three")
    again.acknowledge(sent)

    assert [e.reason for e in EventQueue(tmp_path / "events.json").next_batch()] == ["C"]


def test_the_event_queue_is_bounded_and_survives_damage(tmp_path: Path) -> None:
    path = tmp_path / "events.json"
    queue = EventQueue(path)
    for number in range(MAX_EVENTS + 5):
        queue.add_warning("R", str(number))
    assert queue.next_batch()[0].message == "5"
    assert len(json.loads(path.read_text())) == MAX_EVENTS

    path.write_bytes(b"[{")

    assert EventQueue(path).next_batch() == []
