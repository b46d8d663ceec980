"""Objects as JSON decodes them.

The engine serves any kind that a CRD describes, so it has no type for each: an object's shape is
checked against its schema when a request brings it, not by mypy.
"""

from __future__ import annotations

from typing import Any

JsonObject = dict[str, Any]


def value_at(obj: JsonObject, *path: str) -> Any:
    """Return the value at a path of keys; None when a key is absent or leads to no object."""
    found: Any = obj
    for key in path:
        found = found.get(key) if isinstance(found, dict) else None
    return found
