"""Typed decoding of core kinds: what is not in the shape is pruned, a wrong type is a 400."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from flotta.apiserver.errors import Cause, CauseLike, bad_request
from flotta.apiserver.json_object import JsonObject, json_type
from flotta.apiserver.timestamps import normalize_micro_time, normalize_time


@dataclass
class Reading:
    """One decoding: the struct named in refusals, and the unknown fields found so far."""

    struct: str
    unknown: list[str]


class ShapeError(ValueError):
    """A value of the wrong type; the text is Go's."""


Reader = Callable[[Reading, str, Any], Any]
Fields = dict[str, Reader]


def _wrong(reading: Reading, path: str, value: Any, wanted: str) -> ShapeError:
    return ShapeError(
        f"json: cannot unmarshal {json_type(value)} into Go struct field "
        f"{reading.struct}.{path} of type {wanted}"
    )


def text(reading: Reading, path: str, value: Any) -> str:
    """Text as it is."""
    if not isinstance(value, str):
        raise _wrong(reading, path, value, "string")
    return value


def flag(reading: Reading, path: str, value: Any) -> bool:
    """Return a truth value."""
    if not isinstance(value, bool):
        raise _wrong(reading, path, value, "bool")
    return value


def number(reading: Reading, path: str, value: Any) -> int:
    """Return a whole number of 32 bits."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise _wrong(reading, path, value, "int32")
    if not -(1 << 31) <= value < 1 << 31:
        raise ShapeError(
            f"json: cannot unmarshal number {value} into Go struct field "
            f"{reading.struct}.{path} of type int32"
        )
    return value


def time(reading: Reading, path: str, value: Any) -> str:
    """Return a time, stored in whole seconds."""
    try:
        return normalize_time(text(reading, path, value))
    except ValueError as error:
        raise ShapeError(str(error)) from error


def micro_time(reading: Reading, path: str, value: Any) -> str:
    """Return a time with microseconds."""
    try:
        return normalize_micro_time(text(reading, path, value))
    except ValueError as error:
        raise ShapeError(str(error)) from error


def encoded_bytes(reading: Reading, path: str, value: Any) -> str:
    """Base64 text, stored in its canonical form."""
    try:
        return base64.b64encode(
            base64.b64decode(text(reading, path, value), validate=True)
        ).decode()
    except binascii.Error as error:
        raise ShapeError(f"illegal base64 data at input byte {_bad_byte(value)}") from error


def _bad_byte(value: str) -> int:
    alphabet = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
    bad = next((index for index, char in enumerate(value) if char not in alphabet), None)
    return bad if bad is not None else len(value) // 4 * 4


def mapping(read: Reader, empty: Any = "") -> Reader:
    """Return a map of strings to values; null values become `empty`."""

    def reader(reading: Reading, path: str, value: Any) -> JsonObject:
        if not isinstance(value, dict):
            raise _wrong(reading, path, value, "map[string]string")
        return {
            key: empty if item is None else read(reading, path, item) for key, item in value.items()
        }

    return reader


def listing(read: Reader) -> Reader:
    """Return a list of values."""

    def reader(reading: Reading, path: str, value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise _wrong(reading, path, value, "[]string")
        return [read(reading, f"{path}[{index}]", item) for index, item in enumerate(value)]

    return reader


def struct(fields: Fields) -> Reader:
    """Return an object with known fields; nulls are dropped, unknown fields noted and dropped."""

    def reader(reading: Reading, path: str, value: Any) -> JsonObject:
        if not isinstance(value, dict):
            raise _wrong(reading, path, value, "struct")
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

    def __init__(self, kind: str, version: str, fields: Fields) -> None:
        self._kind = kind
        self._version = version
        self._read = struct(fields)

    def admit(
        self, obj: JsonObject, subresource: str = "", earlier: Iterable[CauseLike] = ()
    ) -> Admission:
        """Decode an object; a wrong type is refused with 400 as Kubernetes' decoder does."""
        head = {key: obj[key] for key in ("apiVersion", "kind", "metadata")}
        reading = Reading(self._kind, [])
        try:
            body = self._read(reading, "", {k: v for k, v in obj.items() if k not in head})
        except ShapeError as error:
            raise bad_request(
                f'{self._kind} in version "{self._version}" cannot be handled as a '
                f"{self._kind}: {error}"
            ) from error
        return Admission({**head, **body}, tuple(reading.unknown))
