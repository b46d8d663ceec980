"""Labels that a device brings along when it enrols."""

from __future__ import annotations

import time

import msgspec
import pytest
from edge_api_store import Store, running
from joining_device import KEY, OTHERS, OWN, batch, enrol, holder, noted

from flotta.edge_api.backends.crd.brought_labels import (
    NO_VALUE,
    NOT_LISTED,
    SURPLUS,
    report_ignored,
    sort_labels,
)
from flotta.edge_api.batches import Batch
from flotta.fleet.batch_specification import check_specification
from flotta.protocol.models import EnrolmentInfo
from flotta.resources.kinds import SECRET, SIGNED_REQUEST

pytestmark = pytest.mark.looptime(start=time.monotonic)


def sorted_labels(given: dict[str, str] | None, **specification: object) -> object:
    return tuple(sort_labels(Batch("sticks", check_specification(specification)), given))


async def test_a_request_gets_the_listed_ones_and_an_event_names_the_others() -> None:
    store = Store()
    store.put(SECRET, batch("sticks", OWN, deviceLabels=["room", "site"], labels={"site": "own"}))
    given = {"room": "12", "site": "mine", "role": "admin", "workload/x": "true"}
    async with running(store) as backend:
        info = EnrolmentInfo(public_key_fingerprint=KEY, labels=given)
        for _ in range(2):
            await backend.enrol(holder(OWN), "d-17", info, None)
    assert store.objects[SIGNED_REQUEST]["d-17"]["spec"]["labels"] == {"room": "12", "site": "own"}
    assert noted(store)["brought-labels"] == "room=12"
    assert store.events == ["EdgeDeviceSignedRequest LabelsNotAllowed"]


async def test_without_the_field_labels_of_devices_change_nothing() -> None:
    requests = []
    for labels in (None, {}, {"role": "admin"}):
        store = Store()
        store.put(SECRET, batch("cheap", OTHERS))
        async with running(store) as backend:
            await backend.enrol(
                holder(OTHERS),
                "d-17",
                EnrolmentInfo(public_key_fingerprint=KEY, labels=labels),
                None,
            )
        requests.append(store.objects[SIGNED_REQUEST]["d-17"]["spec"])
    assert requests[0] == requests[1] == requests[2]
    assert "labels" not in requests[0]


def test_a_value_that_is_none_of_a_label_is_ignored() -> None:
    found = sorted_labels(
        {"room": "a b", "site": "x" * 64, "role": ""}, deviceLabels=["room", "site", "role"]
    )
    assert found == ({"role": ""}, {"room": NO_VALUE, "site": NO_VALUE})


def test_there_are_never_more_labels_than_a_request_may_have() -> None:
    keys = [f"l{number:02}" for number in range(64)]
    own = {f"own{number}": "" for number in range(60)}
    taken, ignored = sorted_labels(dict.fromkeys(keys, "x"), deviceLabels=keys, labels=own)  # type: ignore[misc]
    assert list(taken) == keys[:4]
    assert ignored == dict.fromkeys(keys[4:], SURPLUS)


async def test_the_event_says_of_each_label_why_the_device_does_not_get_it() -> None:
    said: list[str] = []

    class Recorder:
        async def record_event(self, *_: object, message: str, **__: object) -> None:
            said.append(message)

    batch = Batch("sticks", check_specification({"deviceLabels": ["room"]}))
    ignored = {"a": NOT_LISTED, "b": NOT_LISTED, "room": NO_VALUE, "x\n": SURPLUS}
    await report_ignored(Recorder(), batch, {}, ignored)  # type: ignore[arg-type,typeddict-item]
    assert "not in its deviceLabels: a, b; no value of a label" in said[0]
    assert "'.'): room; more than 64 labels: x" in said[0]
    assert said[0].isprintable()


def test_a_message_with_too_many_labels_is_refused() -> None:
    many = {f"l{number}": "" for number in range(65)}
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"labels": many}, EnrolmentInfo)


async def test_an_enrolment_without_labels_makes_no_event() -> None:
    store = Store()
    store.put(SECRET, batch("cheap", OTHERS))
    async with running(store) as backend:
        assert await enrol(backend, OTHERS) == "waits"
    assert store.events == []
