"""Server-side apply of an object whose managedFields were written by an earlier release."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from flotta.apiserver.catalogue import CORE
from flotta.apiserver.errors import StatusError
from flotta.apiserver.objects.apply import Application
from flotta.apiserver.objects.options import WriteOptions
from flotta.apiserver.objects.writes import Endpoint

(EVENT,) = (resource for resource in CORE if resource.kind == "Event")
INVOLVED = {"kind": "Pod", "name": "p", "namespace": "n"}
WANTED = {
    "apiVersion": "v1",
    "kind": "Event",
    "metadata": {"name": "e", "namespace": "n"},
    "involvedObject": INVOLVED,
}
# The schema of that release did not say that an ObjectReference is atomic.
OWNED = {
    "manager": "m1",
    "operation": "Apply",
    "apiVersion": "v1",
    "fieldsType": "FieldsV1",
    "fieldsV1": {"f:involvedObject": {f"f:{name}": {} for name in INVOLVED}},
}


def proposed(wanted: dict[str, Any], manager: str, owned: dict[str, Any] = OWNED) -> dict[str, Any]:
    live = copy.deepcopy(WANTED)
    live["metadata"] |= {"uid": "u", "resourceVersion": "1", "managedFields": [owned]}
    endpoint = Endpoint(EVENT, "n", "e")
    obj: dict[str, Any] = (
        Application(endpoint, copy.deepcopy(wanted), WriteOptions(manager)).propose(live).obj
    )
    return obj


def test_what_became_one_field_is_not_dropped_for_its_parts() -> None:
    assert proposed(WANTED, "m1")["involvedObject"] == INVOLVED


def test_the_owner_of_the_parts_owns_the_whole() -> None:
    other = {**WANTED, "involvedObject": {"kind": "Secret"}}
    with pytest.raises(StatusError) as refused:
        proposed(other, "m2")
    assert refused.value.code == 409


def test_nobody_owns_the_object_itself() -> None:
    """A client may write `.` at the top of managedFields; it says nothing of any field."""
    owned = {**OWNED, "fieldsV1": {".": {}, **OWNED["fieldsV1"]}}
    assert proposed(WANTED, "m1", owned)["involvedObject"] == INVOLVED
