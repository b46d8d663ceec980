"""Typed decoding of core kinds: what is not in the shape is pruned, a wrong type is a 400."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from flotta.apiserver.errors import Cause, CauseLike, bad_request, wrong_type
from flotta.apiserver.json_object import JsonObject
from flotta.apiserver.timestamps import (
    MICRO_TIME_FORM,
    TIME_FORM,
    normalize_micro_time,
    normalize_time,
)


@dataclass
class Reading:
    """One decoding: the unknown fields found so far."""

    unknown: list[str]


INT32 = 1 << 31

Reader = Callable[[Reading, str, Any], Any]
Fields = dict[str, Reader]


def text(reading: Reading, path: str, value: Any) -> str:
    """Text as it is."""
    if not isinstance(value, str):
        raise wrong_type(path, value, "a string")
    return value


def flag(reading: Reading, path: str, value: Any) -> bool:
    """Return a truth value."""
    if not isinstance(value, bool):
        raise wrong_type(path, value, "true or false")
    return value


def number(reading: Reading, path: str, value: Any) -> int:
    """Return a whole number of 32 bits."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not -INT32 <= value < INT32:
        raise wrong_type(path, value, "a whole number of 32 bits")
    return value


def time(reading: Reading, path: str, value: Any) -> str:
    """Return a time, stored in whole seconds."""
    try:
        return normalize_time(text(reading, path, value))
    except ValueError as error:
        raise wrong_type(path, value, TIME_FORM) from error


def micro_time(reading: Reading, path: str, value: Any) -> str:
    """Return a time with microseconds."""
    try:
        return normalize_micro_time(text(reading, path, value))
    except ValueError as error:
        raise wrong_type(path, value, MICRO_TIME_FORM) from error


def encoded_bytes(reading: Reading, path: str, value: Any) -> str:
    """Base64 text, stored in its canonical form."""
    try:
        return base64.b64encode(
            base64.b64decode(text(reading, path, value), validate=True)
        ).decode()
    except binascii.Error as error:
        # Without the value, which is a secret of somebody more often than not.
        raise bad_request(f"{path} must be base64") from error


def mapping(read: Reader, empty: Any = "") -> Reader:
    """Return a map of strings to values; null values become `empty`."""

    def reader(reading: Reading, path: str, value: Any) -> JsonObject:
        if not isinstance(value, dict):
            raise wrong_type(path, value, "an object")
        return {
            key: empty if item is None else read(reading, path, item) for key, item in value.items()
        }

    return reader


def listing(read: Reader) -> Reader:
    """Return a list of values."""

    def reader(reading: Reading, path: str, value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise wrong_type(path, value, "a list")
        return [read(reading, f"{path}[{index}]", item) for index, item in enumerate(value)]

    return reader


def struct(fields: Fields) -> Reader:
    """Return an object with known fields; nulls are dropped, unknown fields noted and dropped."""

    def reader(reading: Reading, path: str, value: Any) -> JsonObject:
        if not isinstance(value, dict):
            raise wrong_type(path, value, "an object")
        prefix = f"{path}." if path else ""
        reading.unknown += [prefix + key for key in value if key not in fields]
        return {
            key: fields[key](reading, prefix + key, item)
            for key, item in value.items()
            if key in fields and item is not None
        }

    return reader


@dataclass(frozen=True)
class Admission:
    obj: JsonObject
    unknown: tuple[str, ...]
    causes: tuple[Cause, ...] = ()


class CoreSchema:
    """The schema of a core kind: its own fields beside apiVersion, kind and metadata."""

    def __init__(self, fields: Fields) -> None:
        self._read = struct(fields)

    def admit(
        self, obj: JsonObject, subresource: str = "", earlier: Iterable[CauseLike] = ()
    ) -> Admission:
        """Decode an object; a wrong type is refused with 400, as Kubernetes' decoder does."""
        head = {key: obj[key] for key in ("apiVersion", "kind", "metadata")}
        reading = Reading([])
        body = self._read(reading, "", {k: v for k, v in obj.items() if k not in head})
        return Admission({**head, **body}, tuple(reading.unknown))
