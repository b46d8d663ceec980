"""Work on a request is bounded by its length, not by the square of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from flotta.apiserver.catalogue import build_registry
from flotta.apiserver.errors import StatusError
from flotta.apiserver.objects import extent
from flotta.apiserver.objects.extent import ExcessiveValueError
from flotta.apiserver.objects.metadata_rules import validate_metadata
from flotta.apiserver.objects.patch import JSON_PATCH, apply_patch
from flotta.resources import crds
from flotta.serving.limits import Deadlines


def test_a_string_that_nothing_closes_is_looked_at_once() -> None:
    unclosed = b'"' + b'\\"' * 1_000_000
    assert extent.STRING.sub(b"", b"1," + unclosed) == b"1,"
    with pytest.raises(ExcessiveValueError):
        extent.check_text(b"1," * (extent.MAX_VALUES + 1) + unclosed)


def test_what_is_in_a_string_is_no_value() -> None:
    assert extent.STRING.sub(b"", b'{"a\\"b,":1,"c\\\\":[2],"d') == b"{:1,:[2],"
    extent.check_text(b'"' + b"," * (extent.MAX_VALUES + 1) + b'"')


def test_finalizers_are_not_compared_each_with_each() -> None:
    compared = 0

    class Counted(str):
        __slots__ = ()
        __hash__ = str.__hash__

        def __eq__(self, other: object) -> bool:
            nonlocal compared
            compared += 1
            return str.__eq__(self, other)

    def being_deleted(letter: str) -> dict[str, Any]:
        finalizers = [Counted(f"a/{letter}{index}") for index in range(500)]
        return {"metadata": {"deletionTimestamp": "now", "finalizers": finalizers}}

    namespaces = build_registry(crds.load()).namespaces
    causes = validate_metadata(being_deleted("new"), namespaces, being_deleted("old"))
    assert [cause.field for cause in causes] == ["metadata.finalizers"]
    assert compared < 1000


@pytest.mark.parametrize(
    ("length", "seconds"), [(None, 60.0), (0, 60.0), (102_400, 260.0), (10**15, 6204.0)]
)
def test_a_body_has_time_for_its_length(length: int | None, seconds: float) -> None:
    assert Deadlines().for_body(length) == seconds


def test_labels_beyond_the_limit_get_one_cause_and_not_one_each() -> None:
    labels = {f"not a key {index}": "not a value" for index in range(1001)}
    namespaces = build_registry(crds.load()).namespaces
    for field in ("labels", "annotations"):
        causes = validate_metadata({"metadata": {"name": "n", field: labels}}, namespaces, None)
        assert [(cause.field, cause.reason) for cause in causes] == [
            (f"metadata.{field}", "FieldValueTooMany")
        ]


def test_an_object_keeps_as_many_labels_as_it_has() -> None:
    old = {"metadata": {"name": "n", "labels": {f"l{index}": "x" for index in range(1500)}}}
    namespaces = build_registry(crds.load()).namespaces
    assert validate_metadata(old, namespaces, old) == []


def test_a_json_patch_has_at_most_a_thousand_operations() -> None:
    operation = {"op": "test", "path": "/a", "value": 1}
    assert apply_patch(JSON_PATCH, json.dumps([operation] * 1000).encode(), {"a": 1})
    with pytest.raises(StatusError) as refused:
        apply_patch(JSON_PATCH, json.dumps([operation] * 1001).encode(), {"a": 1})
    assert refused.value.code == 413
