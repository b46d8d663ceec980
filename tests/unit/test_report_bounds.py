"""Reports full of empty items are refused before they cost more than their decoding."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from unittest import mock

import msgspec
import pytest

from flotta.edge_api import messages
from flotta.edge_api.refusals import Refusal
from flotta.protocol import json_text
from flotta.protocol.envelope import decode, new_data_message
from flotta.protocol.models import EnrolmentInfo, Heartbeat, RegistrationInfo
from flotta.resources.bounds import schema_at
from flotta.resources.kinds import EDGE_DEVICE

INTERFACES = {"hardware": {"interfaces": [{}] * 1281}}


@pytest.mark.parametrize(
    ("model", "report"),
    [
        (EnrolmentInfo, {"features": INTERFACES}),
        (RegistrationInfo, INTERFACES),
        (Heartbeat, INTERFACES),
        (Heartbeat, {"workloads": [None] * 10_241}),
        (Heartbeat, {"events": [None] * 10_241}),
        (Heartbeat, {"playbook-executions": [None] * 10_241}),
        (RegistrationInfo, {"hardware": {"cpu": {"flags": [""] * 10_241}}}),
        (RegistrationInfo, {"hardware": {"interfaces": [{"flags": [""] * 1281}]}}),
    ],
)
def test_a_list_that_no_device_has_is_refused_and_not_repaired(
    model: type[object], report: object
) -> None:
    with mock.patch.object(json_text, "_without_unusable_numbers") as repair:
        with pytest.raises(msgspec.ValidationError, match="of length"):
            decode(json.dumps(report).encode(), model)
        repair.assert_not_called()


def lists_of(schema: Any) -> Iterator[tuple[str, int]]:
    """Yield the lists below a field that are cut, with what is kept of each."""
    for name, field in schema.get("properties", {}).items():
        if "maxItems" in field:
            yield name, field["maxItems"]
        yield from lists_of(field)
        yield from lists_of(field.get("items", {}))


def wire(name: str) -> str:
    """Return the name on the wire of a field of the custom resource."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


def test_what_only_exceeds_what_is_kept_is_accepted() -> None:
    """A report of an agent that worked before must not be refused for its lists."""
    kept = dict(lists_of(schema_at(EDGE_DEVICE, "status", "hardware")))
    assert {"interfaces", "hostDevices", "ipv4Addresses"} <= kept.keys()
    items: dict[str, list[Any]] = {name: [{}] * (10 * most) for name, most in kept.items()}
    hardware: dict[str, Any] = {
        wire(name): items[name] for name in ("disks", "gpus", "interfaces", "hostDevices", "mounts")
    }
    flags: Any = schema_at(EDGE_DEVICE, "status", "hardware", "cpu", "flags")["maxItems"]
    hardware["cpu"] = {"flags": ["x"] * (10 * flags)}
    hardware["interfaces"][0] = {
        wire(name): ["x"] * (10 * kept[name]) for name in ("ipv4Addresses", "ipv6Addresses")
    }
    assert decode(json.dumps({"hardware": hardware}).encode(), RegistrationInfo).hardware


def test_a_content_of_nothing_but_objects_is_not_decoded() -> None:
    content = msgspec.Raw(b'{"hardware":{"disks":[' + b",".join([b"{}"] * 40_000) + b"]}}")
    message = new_data_message("registration", content)
    with mock.patch.object(messages, "decode") as decoding:
        with pytest.raises(Refusal) as refused:
            messages.decode_content(message, RegistrationInfo)
        decoding.assert_not_called()
    assert (refused.value.status, refused.value.reason) == (400, "InvalidMessage")
