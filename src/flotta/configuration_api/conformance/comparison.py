"""Whether a configuration comes as it was put."""

from __future__ import annotations

import yaml

from flotta.printable_text import printable
from flotta.yaml_loader import load_yaml

SHOWN = 60  # characters of a value in a sentence


def find_difference(put: object, found: object, place: str = "") -> str:
    """Return what of `put` is missing or another one in `found`, "" if all of it is there.

    Both are decoded JSON. What is in `found` besides counts as an addition. An empty text or list
    may be absent; an empty object may not: agents of v0.2 need one.
    """
    if put in (None, "", []) and found in (None, "", []):
        return ""
    if isinstance(put, dict) and isinstance(found, dict):
        members = (find_difference(put[k], found.get(k), f"{place}.{k}".lstrip(".")) for k in put)
        return next(filter(None, members), "")
    if isinstance(put, list) and isinstance(found, list) and len(put) == len(found):
        pairs = enumerate(zip(put, found, strict=True))
        items = (find_difference(one, other, f"{place}[{i}]") for i, (one, other) in pairs)
        return next(filter(None, items), "")
    if put == found or _same_content(put, found):
        return ""
    return f"`{place}` is {_shown(found)}; expected {_shown(put)}, which was put"


def _same_content(put: object, found: object) -> bool:
    """Tell whether two texts are the same object in YAML or JSON: a store may encode it again."""
    if not (isinstance(put, str) and isinstance(found, str)):
        return False
    try:
        content = load_yaml(put.encode())
        return isinstance(content, dict | list) and content == load_yaml(found.encode())
    except yaml.YAMLError:
        return False


def _shown(value: object) -> str:
    return "missing" if value is None else printable(repr(value), SHOWN)
