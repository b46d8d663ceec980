"""Write the CRDs as a Python module, for plugins of the collection, which carry Python alone.

It has the functions of `flotta.resources.crd_files` and takes its place. The text is the JSON of
each CRD. A line begins at each description, so that a changed one changes its own lines only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from flotta.resources.crd_files import list_crds, read_crd

WIDTH = 130  # characters of JSON in a line; ansible-test allows 160 columns
START = '''\
"""The CRDs of this release as JSON, as scripts/crd_module.py writes them."""

from __future__ import annotations

import json
from typing import Any


def list_crds() -> list[str]:
    """Return the names of all CRDs, sorted: their kinds in lower case."""
    return sorted(CRDS)


def read_crd(name: str) -> Any:
    """Return a CRD, which the caller may change; raises OSError when there is none of this name."""
    if name not in CRDS:
        raise FileNotFoundError(f"there is no CRD {name}")
    return json.loads("".join(CRDS[name]))


CRDS = {
'''


def render() -> str:
    """Return the text of the module, without what a file of the collection begins with."""
    return "".join([START, *map(_entry, list_crds()), "}\n"])


def _entry(name: str) -> str:
    text = json.dumps(read_crd(name), separators=(",", ":"))
    lines = (f"        {_literal(line)},\n" for line in _split(text))
    return "".join([f'    "{name}": (\n', *lines, "    ),\n"])


def _split(text: str) -> Iterator[str]:
    for part in re.split(r'(?="description":)', text):
        yield from (part[start : start + WIDTH] for start in range(0, len(part), WIDTH))


def _literal(text: str) -> str:
    """Return a text as a Python literal in the form that ruff gives it."""
    quote = "'" if text.count('"') > text.count("'") else '"'
    escaped = text.replace("\\", "\\\\").replace(quote, f"\\{quote}")
    return f"{quote}{escaped}{quote}"
