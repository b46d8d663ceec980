"""Columns of `kubectl get` for core kinds and for custom resources."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from flotta.apiserver.ages import age
from flotta.apiserver.json_object import JsonObject, value_at
from flotta.apiserver.registry import Column
from flotta.apiserver.schema.jsonpath import compile_path
from flotta.resources.crds import PrinterColumn


def _name(obj: JsonObject) -> str:
    return str(obj["metadata"]["name"])


def _age(obj: JsonObject) -> str:
    return age(obj["metadata"].get("creationTimestamp"))


NAME = Column("Name", "string", _name, "name", "Name must be unique within a namespace.")
AGE = Column("Age", "string", _age, description="Time since the object was created.")
CUSTOM_AGE = Column("Age", "date", _age, description="Time since the object was created.")


def _data_count(obj: JsonObject) -> int:
    return len(obj.get("data", {})) + len(obj.get("binaryData", {}))


def _last_seen(event: JsonObject) -> str:
    series = value_at(event, "series", "lastObservedTime")
    return age(series or event.get("lastTimestamp") or _first_time(event))


def _first_time(event: JsonObject) -> Any:
    return event.get("firstTimestamp") or event.get("eventTime")


def _involved_object(event: JsonObject) -> str:
    involved = event["involvedObject"]
    return f"{involved.get('kind', '').lower()}/{involved.get('name', '')}"


def _source(event: JsonObject) -> str:
    component = event["source"].get("component") or event.get("reportingComponent", "")
    host = event["source"].get("host")
    return f"{component}, {host}" if host else component


SECRET = (
    NAME,
    Column("Type", "string", lambda obj: obj["type"]),
    Column("Data", "string", _data_count),
    AGE,
)
CONFIG_MAP = (NAME, Column("Data", "string", _data_count), AGE)
NAMESPACE = (NAME, Column("Status", "string", lambda obj: value_at(obj, "status", "phase")), AGE)
LEASE = (
    NAME,
    Column("Holder", "string", lambda obj: value_at(obj, "spec", "holderIdentity") or ""),
    AGE,
)
EVENT = (
    Column("Last Seen", "string", _last_seen),
    Column("Type", "string", lambda obj: obj.get("type", "")),
    Column("Reason", "string", lambda obj: obj.get("reason", "")),
    Column("Object", "string", _involved_object),
    Column(
        "Subobject",
        "string",
        lambda obj: value_at(obj, "involvedObject", "fieldPath") or "",
        priority=1,
    ),
    Column("Source", "string", _source, priority=1),
    Column("Message", "string", lambda obj: obj.get("message", "").strip()),
    Column("First Seen", "string", lambda obj: age(_first_time(obj)), priority=1),
    Column("Count", "string", lambda obj: obj.get("count") or 1, priority=1),
    Column("Name", "string", _name, "name", priority=1),
)


UNDESCRIBED = "Custom resource definition column (in JSONPath format)"


def custom_columns(declared: Sequence[PrinterColumn]) -> tuple[Column, ...]:
    """Return Name and a CRD's additionalPrinterColumns; Name and Age if it has none."""
    if not declared:
        return NAME, CUSTOM_AGE
    return NAME, *(_make_custom_column(column) for column in declared)


def _make_custom_column(column: PrinterColumn) -> Column:
    value_of = compile_path(column["jsonPath"])
    kind = column["type"]

    def cell(obj: JsonObject) -> Any:
        return _format_cell(value_of(obj), kind)

    return Column(
        column["name"],
        kind,
        cell,
        column.get("format", ""),
        column.get("description") or f"{UNDESCRIBED}: {column['jsonPath']}",
        column.get("priority", 0),
    )


def _format_cell(value: Any, kind: str) -> Any:
    if value is None:
        return None
    if kind == "date":
        return age(str(value))
    if kind == "string" and not isinstance(value, str):
        return json.dumps(value, separators=(",", ":"))
    return value
