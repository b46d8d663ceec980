"""Values that a field may have although others are refused, in Python and in CEL.

The resource API evaluates the CEL (`x-kubernetes-validations`, KEP-2876), devices the Python.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Values:
    """Some of the values of a field.

    `rule` is CEL with the value as `self`, `words` what stands after "other than" on the page.
    `admits` gets the value as it was written, of whatever type.
    """

    rule: str
    words: str
    admits: Callable[[object], bool]


def one_of(*values: str | int) -> Values:
    """Return some scalars; the empty text stands for a field that is not set."""
    listed = ", ".join(f"'{value}'" if isinstance(value, str) else str(value) for value in values)
    words = ", ".join(f"`{value}`" for value in values if value != "")
    return Values(f"self in [{listed}]", words, lambda value: value in values)


def matching(pattern: str, words: str) -> Values:
    """Return the texts that match a whole pattern, one of RE2 and Python, without quotes."""
    compiled = re.compile(pattern)
    return Values(
        f"self.matches('^({pattern})$')",
        words,
        lambda value: isinstance(value, str) and compiled.fullmatch(value) is not None,
    )


def keys_matching(pattern: str, words: str) -> Values:
    """Return the maps whose keys all match a pattern."""
    compiled = re.compile(pattern)
    return Values(
        f"self.all(key, key.matches('^({pattern})$'))",
        words,
        lambda value: (
            not isinstance(value, Mapping)
            or all(compiled.fullmatch(str(key)) is not None for key in value)
        ),
    )


NO_VALUE = Values("false", "", lambda _: False)
FALSE = Values("!self", "`false`", lambda value: value is False)
EMPTY = Values("size(self) == 0", "", lambda value: not value)
