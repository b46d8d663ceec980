"""Old and new values that belong together, to accept what stands in an object already.

A rule may be stricter than it was when an object was stored. What is wrong in a field that an
update leaves alone then does not count, so that all other fields can be changed and finalizers
removed (ratcheting, KEP-4008). Values correlate as in Kubernetes: fields of objects and entries of
maps by key, items of a list of type map by its keys, and items of other lists not at all: such a
list is unchanged as a whole, or changed.
"""

from __future__ import annotations

import json
from typing import Any, Final

from flotta.apiserver.schema.nodes import Node


class _NoValue:
    """The type of `NO_VALUE`."""


NO_VALUE: Final = _NoValue()  # instead of an old value where there is none that correlates


def old_field(old: Any, key: str) -> Any:
    """Return the old value of a field or of an entry of a map, or NO_VALUE."""
    return old.get(key, NO_VALUE) if isinstance(old, dict) else NO_VALUE


def old_items(node: Node, new: list[Any], old: Any) -> list[Any]:
    """Return the old value of each item of the new list, or NO_VALUE."""
    if not isinstance(old, list) or node.list_type != "map":
        return [NO_VALUE] * len(new)
    # The first of several with the same keys, as in Kubernetes.
    known = {_key(node, item): item for item in reversed(old)}
    return [known.get(_key(node, item), NO_VALUE) for item in new]


def _key(node: Node, item: Any) -> str:
    return json.dumps(identify_item(node, item), sort_keys=True)


def identify_item(node: Node, item: Any) -> Any:
    """Return what identifies an item of a list of type map or set."""
    if node.list_type == "set":
        return item
    if not isinstance(item, dict):
        return {}
    return {key: item[key] for key in node.list_keys if key in item}


def is_unchanged(node: Node, new: Any, old: Any) -> bool:
    """Tell whether a value is what it was; the order in a list of type map does not count."""
    if old is NO_VALUE or type(new) is not type(old):
        return False
    if isinstance(new, dict):
        return len(new) == len(old) and all(
            _is_same_field(node, key, value, old) for key, value in new.items()
        )
    if isinstance(new, list) and node.items is not None and node.list_type == "map":
        before = zip(new, old_items(node, new, old), strict=True)
        return len(new) == len(old) and all(is_unchanged(node.items, *pair) for pair in before)
    return bool(new == old)


def _is_same_field(node: Node, key: str, value: Any, old: dict[str, Any]) -> bool:
    child = node.properties.get(key) or node.additional
    return child is not None and is_unchanged(child, value, old_field(old, key))
