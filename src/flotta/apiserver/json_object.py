"""Objects as JSON decodes them.

The engine serves any kind that a CRD describes and has no type for each of them: an object is
checked against its schema when a request arrives, not by mypy.
"""

from __future__ import annotations

from typing import Any

JsonObject = dict[str, Any]


def value_at(obj: JsonObject, *path: str) -> Any:
    """Return the value at a path of keys; None if a key is absent or is not an object."""
    found: Any = obj
    for key in path:
        found = found.get(key) if isinstance(found, dict) else None
    return found
