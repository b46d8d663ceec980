"""Core kinds in the embedded engine: behaviour of decoders that no schema describes."""

from __future__ import annotations

from typing import Any

import pytest

from flotta.apiserver.core import event, lease, namespace, secret
from flotta.apiserver.core.schema import CoreSchema
from flotta.apiserver.errors import StatusError


def admitted(schema: CoreSchema, **fields: Any) -> dict[str, Any]:
    head = {"apiVersion": "v1", "kind": "Any", "metadata": {"name": "x"}}
    obj = schema.admit({**head, **fields}).obj
    return {key: obj[key] for key in obj if key not in head}


def test_null_in_a_map_is_an_empty_string_and_elsewhere_absent() -> None:
    data = {"data": {"a": None, "b": ""}, "stringData": {"c": None}, "type": None}
    assert admitted(secret.SCHEMA, **data) == {
        "data": {"a": "", "b": ""},
        "stringData": {"c": ""},
    }


def test_times_have_one_form_each() -> None:
    stored = admitted(
        event.SCHEMA,
        firstTimestamp="2026-01-01T02:00:00.5+02:00",
        series={"lastObservedTime": "2026-01-01T02:00:00.123456+02:00"},
    )
    assert stored == {
        "firstTimestamp": "2026-01-01T00:00:00Z",
        "series": {"lastObservedTime": "2026-01-01T00:00:00.123456Z"},
    }


@pytest.mark.parametrize(
    ("schema", "fields", "named"),
    [
        (secret.SCHEMA, {"data": {"a": 5}}, "data.a"),
        (secret.SCHEMA, {"data": ["a"]}, "data"),
        (secret.SCHEMA, {"data": {"a": "é"}}, "data.a"),
        (event.SCHEMA, {"count": 2**31}, "count"),
        (event.SCHEMA, {"count": True}, "count"),
        (event.SCHEMA, {"eventTime": "2026-01-01T02:00:00Z"}, "eventTime"),
        (lease.SCHEMA, {"spec": {"renewTime": "2026-13-01T02:00:00.000000Z"}}, "spec.renewTime"),
        (namespace.SCHEMA, {"spec": {"finalizers": [None]}}, "spec.finalizers[0]"),
    ],
)
def test_a_wrong_type_is_a_bad_request_that_names_the_field(
    schema: CoreSchema, fields: dict[str, Any], named: str
) -> None:
    with pytest.raises(StatusError) as raised:
        admitted(schema, **fields)
    assert (raised.value.code, raised.value.details) == (400, None)
    assert named in raised.value.message


def test_data_that_is_not_base64_is_not_repeated() -> None:
    with pytest.raises(StatusError, match=r"^data\.a must be base64$"):
        admitted(secret.SCHEMA, data={"a": "hunter2!"})


def test_what_a_schema_asks_for_beyond_types_is_left_to_the_kind() -> None:
    conditions = [{"type": "a"}, {"type": "a"}, {}]
    assert admitted(event.SCHEMA) == {}
    status = {"conditions": conditions}
    assert admitted(namespace.SCHEMA, status=status) == {"status": status}
