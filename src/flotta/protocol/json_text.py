"""JSON of another party: too deep, with names in another case or numbers nothing can store.

The rules are in docs/reference/wire-protocol.md#json-conventions.
"""

from __future__ import annotations

import json
from typing import TypeVar

import msgspec

from flotta.protocol.property_names import with_exact_names

T = TypeVar("T")
# Bytes of JSON whose names are compared in any case, and from which unusable numbers are removed:
# that takes up to 50 times as long as decoding.
REPAIR_LIMIT = 32 * 1024
LENGTH = (
    "`array` of length"  # in msgspec's text about a list that is too long, whatever its numbers
)
INT64_LIMIT = 2**63  # the first whole number that an int64 cannot hold
UNUSABLE = object()  # in place of a number that is left out


def decode_json(data: bytes | msgspec.Raw, type_: type[T], *, strict: bool = True) -> T:
    """Decode JSON into a type; `strict` is that of msgspec.

    Raises msgspec.DecodeError, a ValueError, with the path of the first wrong field, also for JSON
    that is not UTF-8 or nested too deeply. The decoder counts the levels and stops before it builds
    more than Python's limit of about 1,000: a scan before it takes ten to a hundred times as long
    as the decoding, which a peer could use.
    """
    try:
        return msgspec.json.decode(data, type=type_, strict=strict)
    except RecursionError as error:
        raise msgspec.DecodeError("JSON is nested too deeply") from error
    except UnicodeDecodeError as error:  # in a text; msgspec has no error of its own for it
        raise msgspec.DecodeError(f"JSON is not UTF-8: {error}") from error


def decode_report(data: bytes | msgspec.Raw, type_: type[T]) -> T:
    """Decode JSON as `decode_json` does; leave out numbers that nothing can store.

    Property names count in any case. The numbers are NaN, infinities, and those that no int64 is
    large enough for: a report with one of them would be refused, and sent again without end. Only
    JSON of up to REPAIR_LIMIT bytes is repaired in these ways; larger JSON has to have exact names,
    and raises msgspec.DecodeError for such a number.
    """
    if len(bytes(data)) > REPAIR_LIMIT:
        return decode_json(data, type_)
    data = with_exact_names(data, type_)
    try:
        return decode_json(data, type_)
    except msgspec.DecodeError as error:
        if LENGTH in str(error):
            raise
        usable = _without_unusable_numbers(bytes(data))
        if usable is None:
            raise
        return decode_json(usable, type_)


def _without_unusable_numbers(data: bytes) -> bytes | None:
    """Return the JSON without those numbers, None if it is not JSON for other reasons."""
    try:
        plain = json.loads(
            data,
            parse_int=_read_int,
            parse_float=_read_float,
            parse_constant=lambda _: UNUSABLE,
            object_pairs_hook=_usable_members,
        )
        return msgspec.json.encode(_usable_items(plain))
    except (ValueError, TypeError, RecursionError):  # TypeError: nothing but an unusable number
        return None


def _read_int(digits: str) -> object:
    number = int(digits) if len(digits) <= len(str(INT64_LIMIT)) + 1 else INT64_LIMIT
    return number if -INT64_LIMIT <= number < INT64_LIMIT else UNUSABLE


def _read_float(digits: str) -> object:
    number = float(digits)
    return number if abs(number) < INT64_LIMIT else UNUSABLE


def _usable_members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    return {name: _usable_items(value) for name, value in pairs if value is not UNUSABLE}


def _usable_items(value: object) -> object:
    if isinstance(value, list):
        return [_usable_items(item) for item in value if item is not UNUSABLE]
    return value
