r"""The JSONPath of printer columns ("JSONPath Support" in Kubernetes' documentation).

Supported are `.a.b`, `.a\.b`, `['a']`, `[*]`, `[0]`, `[-1:]`, `[?(@.a=="b")]`.

As in Kubernetes, the value of a column is the first result of its path.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

Step = Callable[[Any], Iterable[Any]]

TOKEN = re.compile(
    r"""
      \.(?P<key>(?:\\.|[^.\[\]\\])+)
    | \['(?P<quoted>[^']*)'\]
    | \[(?P<all>\*)\]
    | \[(?P<slice>-?\d*:-?\d*)\]
    | \[(?P<index>-?\d+)\]
    | \[\?\(@\.(?P<field>[\w/.-]+)\s*==\s*(?P<quote>["'])(?P<wanted>.*?)(?P=quote)\)\]
    """,
    re.VERBOSE,
)


class PathError(ValueError):
    """A JSONPath has a part that this engine does not support."""


def compile_path(path: str) -> Callable[[Any], Any]:
    """Return a function that returns the first value at `path` in an object, or None."""
    steps = list(_steps(path))

    def first(obj: Any) -> Any:
        found = [obj]
        for step in steps:
            found = [value for parent in found for value in step(parent)]
        return found[0] if found else None

    return first


def _steps(path: str) -> Iterable[Step]:
    position = 0
    while position < len(path):
        match = TOKEN.match(path, position)
        if match is None:
            raise PathError(f"cannot read {path!r} from {path[position:]!r} on")
        position = match.end()
        yield _step(match)


def _step(match: re.Match[str]) -> Step:
    if (key := match["key"] or match["quoted"]) is not None:
        name = re.sub(r"\\(.)", r"\1", key)
        return lambda value: [value[name]] if isinstance(value, dict) and name in value else []
    if match["field"] is not None:
        below = compile_path(f".{match['field']}")
        wanted = match["wanted"]
        return lambda value: [item for item in _items(value) if below(item) == wanted]
    return _selection(match)


def _selection(match: re.Match[str]) -> Step:
    if match["all"]:
        return _items
    if match["slice"] is not None:
        ends = [int(end) if end else None for end in match["slice"].split(":")]
        chosen = slice(*ends)
    else:
        index = int(match["index"])
        chosen = slice(index, index + 1 or None)
    return lambda value: value[chosen] if isinstance(value, list) else []


def _items(value: Any) -> Iterable[Any]:
    return value if isinstance(value, list) else value.values() if isinstance(value, dict) else ()
