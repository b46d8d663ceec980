"""The rules of ConfigMaps (core/v1)."""

from __future__ import annotations

from collections.abc import Iterable

from flotta.apiserver.core.schema import CoreSchema
from flotta.apiserver.core.secret import MAX_DATA, decoded_size, validate_immutable, validate_keys
from flotta.apiserver.errors import Cause, invalid_value, too_long
from flotta.apiserver.json_object import JsonObject

SCHEMA = CoreSchema("io.k8s.api.core.v1.ConfigMap")


def normalize(config_map: JsonObject, _old: JsonObject | None) -> None:
    """Remove empty maps, which Kubernetes does not store."""
    for field in ("data", "binaryData"):
        if not config_map.get(field, True):
            del config_map[field]


def validate(new: JsonObject, old: JsonObject | None) -> Iterable[Cause]:
    """Return what is wrong with the keys, the size or a change of an immutable ConfigMap."""
    data, binary = new.get("data", {}), new.get("binaryData", {})
    yield from validate_keys("data", data)
    yield from validate_keys("binaryData", binary)
    for key in data.keys() & binary.keys():
        yield invalid_value(f"data[{key}]", key, "duplicate of key present in binaryData")
    if sum(len(value.encode()) for value in data.values()) + decoded_size(binary) > MAX_DATA:
        yield too_long("[]", MAX_DATA)
    if old is not None:
        yield from validate_immutable(new, old, ("data", "binaryData"))
