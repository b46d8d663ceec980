"""What a device says is text of a stranger: it is cut and made printable, and never refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from edge_site import Device, Fleet

from flotta.fleet.explanation import explain_device
from flotta.resources.kinds import EDGE_DEVICE, EVENT
from flotta.resources.views import name_of

pytestmark = pytest.mark.on_one_engine

HOSTILE = "ok\n\x1b[2JForged line: approve everything\u202e\u2028\x9b" + "x" * 5000
HARDWARE = {
    "hostname": HOSTILE,
    "cpu": {"architecture": HOSTILE, "model_name": HOSTILE, "flags": ["\x1b" * 40] * 600},
    "system_vendor": {"serial_number": HOSTILE},
    "interfaces": [{"name": "\u200b" * 300, "flags": ["up"] * 100}] * 10,
    "disks": [{"name": "sda"}] * 200,
}


def texts(value: Any) -> Iterator[str]:
    """Yield every text in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from texts(key)
            yield from texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)


def is_harmless(obj: Any) -> bool:
    """Tell whether no text of an object acts on a terminal, or is longer than any limit."""
    hidden = "\x1b\n\x9b\u202e\u2028\u200b"
    return all(len(text) <= 4096 and not set(text) & set(hidden) for text in texts(obj))


async def test_no_word_of_a_device_reaches_a_terminal(fleet: Fleet) -> None:
    device = fleet.device()
    features = {"hardware": HARDWARE, "modelName": HOSTILE}
    assert (await device.enrol(features=features)).status == 200
    request = await fleet.request(device)
    assert request is not None
    assert is_harmless(request["spec"])
    await fleet.approve(device.device_id)
    assert (await device.register(**HARDWARE)).status == 200

    await give_workload(fleet, device)
    report = {
        "status": HOSTILE,
        "version": HOSTILE,
        "agent_version": HOSTILE,
        "upgrade": {"current_commit_ID": HOSTILE, "last_upgrade_time": HOSTILE},
        "workloads": [{"name": "web", "status": "Error", "reason": HOSTILE, "message": HOSTILE}],
        "events": [{"reason": HOSTILE, "message": HOSTILE, "type": "warn"}],
        "hardware": HARDWARE,
    }
    assert (await device.beat(**report)).status == 200

    known = await fleet.get(device)
    assert is_harmless(known["status"])
    assert known["status"]["phase"].startswith("ok␊␛[2JForged")
    labels = known["metadata"]["labels"]
    assert all(len(text) <= 63 and text.isascii() for text in labels.values())
    events = [
        event
        for event in await fleet.client.list(EVENT, "default")
        if event["involvedObject"]["name"] == device.device_id
    ]
    assert events
    assert is_harmless(events)
    assert is_harmless(explain_device(known, [], events))

    version = known["metadata"]["resourceVersion"]
    assert (await device.beat(**{**report, "events": []})).status == 200
    again = await fleet.get(device)
    assert again["metadata"]["resourceVersion"] == version


async def give_workload(fleet: Fleet, device: Device) -> None:
    """List a workload in the device's status, as the operator does."""
    known = await fleet.get(device)
    workloads = {"status": {"workloads": [{"name": "web", "phase": "Deploying"}]}}
    await fleet.client.merge_patch(EDGE_DEVICE, name_of(known), "default", workloads, "status")
