"""Decoding of the protobuf bodies that kubectl 1.32 and later send for core kinds and self reviews.

Only requests are decoded; responses are always JSON, which kubectl accepts. The envelope is that of
"Protobuf encoding" in Kubernetes' API concepts, the field numbers are those of its generated.proto
files.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from flotta.apiserver.json_object import JsonObject
from flotta.rfc3339 import format_time

MAGIC = b"k8s\x00"
NOT_PROTOBUF = "the body does not begin with the four bytes of a Kubernetes protobuf message"


MAX_FIELDS = 100_000  # in a body, those that are skipped included


class ProtobufError(ValueError):
    """The body is not a valid protobuf message, or has too many fields."""


FIELDS_LEFT: ContextVar[Iterator[int]] = ContextVar("FIELDS_LEFT")


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while shift < 70:
        if position >= len(data):
            raise ProtobufError("the protobuf message ends too early")
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
    raise ProtobufError("a number of the protobuf message has more than 64 bits")


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield number and value of each field of a message; values are integers or bytes."""
    position = 0
    left = FIELDS_LEFT.get()
    while position < len(data):
        if next(left, None) is None:
            raise ProtobufError(f"the protobuf message has more than {MAX_FIELDS} fields")
        tag, position = _varint(data, position)
        value, position = _value(data, position, tag & 7)
        yield tag >> 3, value


def _value(data: bytes, position: int, wire_type: int) -> tuple[int | bytes, int]:
    if wire_type == 0:
        return _varint(data, position)
    if wire_type in (1, 5):
        size = 8 if wire_type == 1 else 4
    elif wire_type == 2:
        size, position = _varint(data, position)
    else:
        raise ProtobufError(f"the protobuf message has a field of wire type {wire_type}")
    if position + size > len(data):
        raise ProtobufError("the protobuf message ends too early")
    return data[position : position + size], position + size


@dataclass(frozen=True)
class _Field:
    """How a field is decoded: its JSON name, its reader, and whether it repeats."""

    name: str
    read: Callable[[Any], Any]
    many: str = ""  # "list" or "map"


_Message = dict[int, _Field]


def _text(value: bytes) -> str:
    return value.decode()


def _flag(value: int) -> bool:
    return bool(value)


def _number(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _time(value: bytes) -> str | None:
    seconds = 0
    for number, part in _fields(value):
        if number == 1 and isinstance(part, int):
            seconds = part
    if not 0 < seconds < 1 << 40:
        return None
    return format_time(datetime.fromtimestamp(seconds, UTC))


def _message(fields: _Message) -> Callable[[bytes], JsonObject]:
    return lambda data: _read(data, fields)


def _map_item(read: Callable[[Any], Any]) -> Callable[[bytes], tuple[str, Any]]:
    def read_item(data: bytes) -> tuple[str, Any]:
        key, value = "", read(b"")
        for number, part in _fields(data):
            if number == 1:
                key = _text(_as_bytes(part))
            elif number == 2:
                value = read(part)
        return key, value

    return read_item


def _as_bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise ProtobufError("the protobuf message has a number in place of a text")
    return value


def _map(name: str, read: Callable[[Any], Any] = _text) -> _Field:
    return _Field(name, _map_item(read), "map")


def _list(name: str, read: Callable[[Any], Any] = _text) -> _Field:
    return _Field(name, read, "list")


def _read(data: bytes, fields: _Message) -> JsonObject:
    found: JsonObject = {}
    for number, value in _fields(data):
        field = fields.get(number)
        if field is not None:
            _collect(found, field, value)
    return {name: value for name, value in found.items() if value not in ("", None)}


def _collect(found: JsonObject, field: _Field, value: int | bytes) -> None:
    try:
        read = field.read(value)
    except (AttributeError, TypeError, UnicodeDecodeError) as error:
        raise ProtobufError(f"wrong value in field {field.name}") from error
    if field.many == "list":
        found.setdefault(field.name, []).append(read)
    elif field.many == "map":
        key, item = read
        found.setdefault(field.name, {})[key] = item
    else:
        found[field.name] = read


OWNER: _Message = {
    1: _Field("kind", _text),
    3: _Field("name", _text),
    4: _Field("uid", _text),
    5: _Field("apiVersion", _text),
    6: _Field("controller", _flag),
    7: _Field("blockOwnerDeletion", _flag),
}
METADATA = _Field(
    "metadata",
    _message(
        {
            1: _Field("name", _text),
            2: _Field("generateName", _text),
            3: _Field("namespace", _text),
            5: _Field("uid", _text),
            6: _Field("resourceVersion", _text),
            8: _Field("creationTimestamp", _time),
            11: _map("labels"),
            12: _map("annotations"),
            13: _list("ownerReferences", _message(OWNER)),
            14: _list("finalizers"),
        }
    ),
)
ATTRIBUTES: _Message = {
    1: _Field("namespace", _text),
    2: _Field("verb", _text),
    3: _Field("group", _text),
    4: _Field("version", _text),
    5: _Field("resource", _text),
    6: _Field("subresource", _text),
    7: _Field("name", _text),
}
ACCESS_SPEC: _Message = {
    1: _Field("resourceAttributes", _message(ATTRIBUTES)),
    2: _Field(
        "nonResourceAttributes", _message({1: _Field("path", _text), 2: _Field("verb", _text)})
    ),
}
PRECONDITIONS: _Message = {1: _Field("uid", _text), 2: _Field("resourceVersion", _text)}
KINDS: dict[str, _Message] = {
    "ConfigMap": {
        1: METADATA,
        2: _map("data"),
        3: _map("binaryData", _base64),
        4: _Field("immutable", _flag),
    },
    "Secret": {
        1: METADATA,
        2: _map("data", _base64),
        3: _Field("type", _text),
        4: _map("stringData"),
        5: _Field("immutable", _flag),
    },
    "Namespace": {1: METADATA, 2: _Field("spec", _message({1: _list("finalizers")}))},
    "SelfSubjectAccessReview": {1: METADATA, 2: _Field("spec", _message(ACCESS_SPEC))},
    "SelfSubjectRulesReview": {
        1: METADATA,
        2: _Field("spec", _message({1: _Field("namespace", _text)})),
    },
    "SelfSubjectReview": {1: METADATA},
    "DeleteOptions": {
        1: _Field("gracePeriodSeconds", _number),
        2: _Field("preconditions", _message(PRECONDITIONS)),
        3: _Field("orphanDependents", _flag),
        4: _Field("propagationPolicy", _text),
        5: _list("dryRun"),
    },
}
TYPE_META: _Message = {1: _Field("apiVersion", _text), 2: _Field("kind", _text)}
ENVELOPE: _Message = {1: _Field("type", _message(TYPE_META)), 2: _Field("raw", bytes)}


def decode(body: bytes) -> JsonObject:
    """Return the JSON form of a protobuf body. Raises ProtobufError with a sentence."""
    if not body.startswith(MAGIC):
        raise ProtobufError(NOT_PROTOBUF)
    FIELDS_LEFT.set(iter(range(MAX_FIELDS)))
    envelope = _read(body[len(MAGIC) :], ENVELOPE)
    kind = envelope.get("type", {}).get("kind", "")
    fields = KINDS.get(kind)
    if fields is None:
        raise ProtobufError(f'the kind "{kind}" is only accepted as JSON')
    return {**envelope["type"], **_read(envelope.get("raw", b""), fields)}
