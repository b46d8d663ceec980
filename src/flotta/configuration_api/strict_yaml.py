"""YAML that a person wrote: a key that is there twice or is not text is a mistake.

Of two keys the last would win without a word, and `on`, `no` and `1` are not text in YAML 1.1.
"""

from __future__ import annotations

import json
import re
from collections.abc import Hashable
from typing import Any

import yaml

from flotta.protocol.json_text import decode_json
from flotta.yaml_loader import Loader, load_yaml

TEXT = "tag:yaml.org,2002:str"
MERGE = "tag:yaml.org,2002:merge"
# In an error of the YAML parser: a part of the text, or the name of an alias.
QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"|(?<=alias )\*\S+")
TWICE = "a key is there twice; remove one"


class _StrictLoader(Loader):
    """Raises yaml.YAMLError for such keys."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.tag == MERGE:
                continue
            if key.tag != TEXT:
                raise _mistake("a key is not text; quote it", key)
            if key.value in seen:
                raise _mistake(TWICE, key)
            seen.add(key.value)
        mapping: dict[Hashable, Any] = super().construct_mapping(node, deep)
        return mapping


def load_strict_yaml(text: str | bytes) -> Any:
    """Return the only document of a YAML text; raises yaml.YAMLError with the place."""
    return load_yaml(text, _StrictLoader)


def describe_error(error: yaml.YAMLError) -> str:
    """Return what is wrong and where, without a word of the text."""
    if not isinstance(error, yaml.MarkedYAMLError):
        return QUOTED.sub("…", str(error).splitlines()[0]) if str(error) else "it cannot be read"
    mark = error.problem_mark or error.context_mark
    where = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
    return f"{QUOTED.sub('…', error.problem or 'it cannot be read')}{where}"


def load_strict_json(data: bytes) -> object:
    """Return the value of a JSON text; raises ValueError."""
    decode_json(data, object)  # bounds it
    return json.loads(data, object_pairs_hook=_unique)


def _mistake(problem: str, key: yaml.Node) -> yaml.YAMLError:
    return yaml.constructor.ConstructorError(None, None, problem, key.start_mark)


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError(TWICE)
    return found
