"""What tells objects of one kind apart: namespace and name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Key = tuple[str, str]  # namespace (empty for a kind without namespaces), name


def key_of(obj: Mapping[str, Any]) -> Key:
    """Return the key of an object that was read from the API."""
    metadata = obj["metadata"]
    return metadata.get("namespace", ""), metadata["name"]
