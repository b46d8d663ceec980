"""Property names in another case, which the decoder of v0.2 (Go's `encoding/json`) accepts.

The rule is in docs/reference/wire-protocol.md#json-conventions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

import msgspec
from msgspec import inspect

KEY = re.compile(rb'"([A-Za-z_-]{1,64})"\s*:')


class _Names(NamedTuple):
    """All names of a model and its parts, as they are and in lower case."""

    exact: frozenset[bytes]
    folded: frozenset[bytes]


def with_exact_names(data: bytes | msgspec.Raw, type_: type) -> bytes | msgspec.Raw:
    """Return the JSON with the property names as the model writes them.

    Of names that differ in case only, the last counts. Names in maps, such as labels, stay as they
    are. JSON without such a name, and what is not JSON, is returned unchanged.
    """
    names = _names_of(type_)
    others = set(KEY.findall(data)) - names.exact
    if not any(name.lower() in names.folded for name in others):
        return data
    try:
        return _rename(msgspec.Raw(bytes(data)), inspect.type_info(type_))
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return data  # whoever decodes it says what is wrong


@cache
def _names_of(type_: type) -> _Names:
    exact = frozenset(name.encode() for name in _walk(inspect.type_info(type_)))
    return _Names(exact, frozenset(name.lower() for name in exact))


def _walk(shape: inspect.Type) -> Iterator[str]:
    match shape:
        case inspect.StructType(fields=fields):
            for field in fields:
                yield field.encode_name
                yield from _walk(field.type)
        case inspect.ListType(item_type=part) | inspect.DictType(value_type=part):
            yield from _walk(part)
        case inspect.UnionType(types=parts):
            for part in parts:
                yield from _walk(part)
        case inspect.Metadata(type=part):
            yield from _walk(part)


def _rename(data: msgspec.Raw, shape: inspect.Type) -> msgspec.Raw:
    first = bytes(data).lstrip()[:1]
    match shape:
        case inspect.StructType(fields=fields) if first == b"{":
            return _rename_members(data, fields)
        case inspect.DictType(value_type=part) if first == b"{":
            members = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
            return _raw({name: _rename(value, part) for name, value in members.items()})
        case inspect.ListType(item_type=part) if first == b"[":
            items = msgspec.json.decode(data, type=list[msgspec.Raw])
            return _raw([_rename(item, part) for item in items])
        case inspect.UnionType(types=parts):
            for part in parts:
                data = _rename(data, part)
        case inspect.Metadata(type=part):
            return _rename(data, part)
    return data


def _rename_members(data: msgspec.Raw, fields: tuple[inspect.Field, ...]) -> msgspec.Raw:
    known = {field.encode_name.lower(): field for field in fields}
    renamed: dict[str, msgspec.Raw] = {}
    for name, value in msgspec.json.decode(data, type=dict[str, msgspec.Raw]).items():
        field = known.get(name.lower())
        if field is None:
            renamed[name] = value
        else:
            renamed[field.encode_name] = _rename(value, field.type)
    return _raw(renamed)


def _raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))
