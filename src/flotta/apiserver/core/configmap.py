"""ConfigMaps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flotta.apiserver.core import shape
from flotta.apiserver.core.secret import LARGEST, immutable_causes, key_causes, size
from flotta.apiserver.errors import Cause, invalid_value, too_long

if TYPE_CHECKING:
    from collections.abc import Iterable

JsonObject = dict[str, Any]

SCHEMA = shape.CoreSchema(
    "ConfigMap",
    "v1",
    {
        "data": shape.mapping(shape.text),
        "binaryData": shape.mapping(shape.encoded_bytes),
        "immutable": shape.flag,
    },
)


def finish(config_map: JsonObject, _old: JsonObject | None) -> None:
    """Drop empty maps, which Kubernetes does not store."""
    for field in ("data", "binaryData"):
        if not config_map.get(field, True):
            del config_map[field]


def causes(new: JsonObject, old: JsonObject | None) -> Iterable[Cause]:
    data, binary = new.get("data", {}), new.get("binaryData", {})
    yield from key_causes("data", data)
    yield from key_causes("binaryData", binary)
    for key in data.keys() & binary.keys():
        yield invalid_value(f"data[{key}]", key, "duplicate of key present in binaryData")
    if sum(len(value.encode()) for value in data.values()) + size(binary) > LARGEST:
        yield too_long("[]", LARGEST)
    if old is not None:
        yield from immutable_causes(new, old, ("data", "binaryData"))
