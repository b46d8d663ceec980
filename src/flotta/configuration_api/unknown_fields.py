"""Fields that a model does not have: in a file that a person wrote they are mistakes."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from msgspec import inspect


def find_unknown(content: object, model: type) -> list[str]:
    """Return a sentence for each field of plain data that the model does not have."""
    return list(_walk(content, inspect.type_info(model), ""))


def _walk(value: object, type_: inspect.Type, path: str) -> Iterator[str]:
    if isinstance(type_, inspect.UnionType):
        for choice in type_.types:
            yield from _walk(value, choice, path)
    elif isinstance(type_, inspect.StructType) and isinstance(value, dict):
        yield from _walk_fields(value, type_, path)
    elif isinstance(type_, inspect.ListType) and isinstance(value, list):
        for index, item in enumerate(value):
            yield from _walk(item, type_.item_type, f"{path}[{index}]")
    elif isinstance(type_, inspect.DictType) and isinstance(value, dict):
        for key, item in value.items():
            yield from _walk(item, type_.value_type, f"{path}.{key}".lstrip("."))


def _walk_fields(
    value: dict[object, object], type_: inspect.StructType, path: str
) -> Iterator[str]:
    known = {field.encode_name: field.type for field in type_.fields}
    for key, item in value.items():
        place = f"{path}.{key}".lstrip(".")
        if key in known:
            yield from _walk(item, known[str(key)], place)
            continue
        close = difflib.get_close_matches(str(key), known, 1)
        hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(sorted(known))}"
        yield f"{place}: the field is unknown; {hint}"
