# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# Copied by scripts/generate_module_utils.py from src/flotta/yaml_loader.py: change that.
"""YAML as Kubernetes reads it: only the types of JSON, so a date stays text.

YAML is small where its value is large: aliases repeat what they name, and a parser recurses as
deep as brackets are nested. So a text is looked through, event by event, before it is loaded.
"""

from __future__ import annotations

import re
from typing import Any

try:
    import yaml
except ImportError:  # the plugin that needs it says so
    yaml = None

BASE: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

MAX_DEPTH = 100  # collections within each other; a pod has about ten
MAX_VALUES = 100_000  # scalars and collections, those that aliases repeat included
MAX_BYTES = 3 * 1024 * 1024  # of text, that which aliases repeat included: as a request's body
# The digits of a number to the base 60, as in `22:22`, in PyYAML's patterns of numbers.
BASE_60 = re.compile(r"\n *\|[^\n]*:\[0-5\][^\n]*(?=\n|\)\$)")


class ExcessiveYamlError(yaml.YAMLError):
    """A YAML text is nested too deeply, or its value is too large; the text says which."""


class Loader(BASE):  # type: ignore[misc]
    """PyYAML's safe loader with the types of JSON, in C if available.

    As in Kubernetes a time stays text, and so does `22:22`, which YAML 1.1 takes for a number to
    the base 60.
    """


Loader.yaml_implicit_resolvers = {
    first: [
        (tag, re.compile(BASE_60.sub("", pattern.pattern), re.VERBOSE))
        for tag, pattern in resolvers
        if not tag.endswith(":timestamp")
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def load_yaml(text: str | bytes, loader: type[Loader] = Loader) -> Any:
    """Return the only document of a YAML text.

    Raises yaml.YAMLError for anything else, and for a text of which the value would be excessive.
    """
    _check_extent(text, loader)
    try:
        return yaml.load(text, loader)  # noqa: S506 - a safe loader
    except (ValueError, OverflowError, RecursionError) as error:
        # A number, for example, that has more digits than Python converts.
        raise yaml.YAMLError(str(error)) from error


class _Extent:
    """How large the value of a text is so far: its depth, values and bytes of text."""

    def __init__(self) -> None:
        self.values = self.size = 0
        self._open: list[tuple[str | None, int, int]] = []  # anchor, values and size before
        self._anchors: dict[str, tuple[int, int]] = {}

    def add(self, event: yaml.Event) -> None:
        """Count an event. Raises ExcessiveYamlError."""
        if isinstance(event, yaml.ScalarEvent):
            before = self.values, self.size
            self._grow(1, len(event.value))
            self._name(event.anchor, *before)
        elif isinstance(event, yaml.CollectionStartEvent):
            self._open.append((event.anchor, self.values, self.size))
            self._grow(1, 1)
            if len(self._open) > MAX_DEPTH:
                raise ExcessiveYamlError(f"it is nested more than {MAX_DEPTH} levels deep")
        elif isinstance(event, yaml.CollectionEndEvent):
            self._name(*self._open.pop())
        elif isinstance(event, yaml.AliasEvent):
            self._repeat(event.anchor)

    def _name(self, anchor: str | None, values: int, size: int) -> None:
        if anchor is not None:
            self._anchors[anchor] = self.values - values, self.size - size

    def _repeat(self, anchor: str | None) -> None:
        if any(anchor == name for name, _, _ in self._open):
            raise ExcessiveYamlError(f"the alias *{anchor} is part of what it repeats")
        self._grow(*self._anchors.get(anchor or "", (0, 0)))

    def _grow(self, values: int, size: int) -> None:
        self.values += values
        self.size += size
        if self.values > MAX_VALUES:
            raise ExcessiveYamlError(f"it has more than {MAX_VALUES} values")
        if self.size > MAX_BYTES:
            raise ExcessiveYamlError(f"its values have more than {MAX_BYTES} bytes")


def _check_extent(text: str | bytes, loader: type[Loader]) -> None:
    """Raise ExcessiveYamlError before anything is built. The parser itself does not recurse."""
    extent = _Extent()
    for event in yaml.parse(text, loader):
        extent.add(event)
