# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/pod_fields/values.py: change that.
"""Values that a field may have although others are refused, in Python and as a schema has them.

The resource API evaluates rules (`x-kubernetes-validations`, KEP-2876) and keywords, devices the
Python.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeGuard


@dataclass(frozen=True)
class Values:
    """Some of the values of a field.

    `rule` is CEL with the value as `self`. `keywords` say the same in the schema of a field that
    occurs so often that rules about it would cost too much; they have no message of their own.
    `words` is what stands after "other than" on the page. `admits` gets the value as it was
    written, of whatever type.
    """

    rule: str
    words: str
    admits: Callable[[object], bool]
    keywords: Mapping[str, Any] = field(default_factory=dict)


def one_of(*values: str | int) -> Values:
    """Return some scalars; the empty text stands for a field that is not set."""
    listed = ", ".join(f"'{value}'" if isinstance(value, str) else str(value) for value in values)
    words = ", ".join(f"`{value}`" for value in values if value != "")
    return Values(
        f"self in [{listed}]", words, lambda value: value in values, {"enum": list(values)}
    )


def between(low: int, high: int, words: str = "") -> Values:
    """Return the whole numbers from one to another, both included."""
    return Values(
        f"self >= {low} && self <= {high}",
        words or f"{low} to {high}",
        lambda value: _is_integer(value) and low <= value <= high,
        {"minimum": low, "maximum": high},
    )


def matching(pattern: str, words: str) -> Values:
    """Return the texts that match a whole pattern of RE2 and Python, without double quotes."""
    compiled = re.compile(pattern)
    return Values(
        f"self.matches({_quote(pattern)})",
        words,
        lambda value: isinstance(value, str) and compiled.fullmatch(value) is not None,
        {"pattern": f"^({pattern})$"},
    )


def keys_matching(pattern: str, words: str) -> Values:
    """Return the maps whose keys all match a pattern."""
    compiled = re.compile(pattern)
    return Values(
        f"self.all(key, key.matches({_quote(pattern)}))",
        words,
        lambda value: (
            not isinstance(value, Mapping)
            or all(compiled.fullmatch(str(key)) is not None for key in value)
        ),
    )


def _quote(pattern: str) -> str:
    """Return a whole pattern as a text of CEL, where a backslash begins an escape sequence."""
    return '"^({})$"'.format(pattern.replace("\\", "\\\\"))


def _is_integer(value: object) -> TypeGuard[int]:
    """Tell whether a value is an integer; Python counts booleans as such."""
    return isinstance(value, int) and not isinstance(value, bool)


NO_VALUE = Values("false", "", lambda _: False)
TRUE = Values("self", "`true`", lambda value: value is True)
FALSE = Values("!self", "`false`", lambda value: value is False)
NUMBERS_OF_USERS = between(0, (1 << 31) - 1)  # and of groups, as Kubernetes has them
EMPTY = Values("size(self) == 0", "", lambda value: not value)
