# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
"""Values of labels and annotations as text, which users write in YAML without quotes.

The API takes nothing but text there. YAML makes a boolean of `true` and a number of `3`; they become the text that YAML has for
them, which is what somebody who writes manifests means. The text that was written is not known here: `yes` becomes "true", `1.10`
becomes "1.1".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# The parts of our kinds with maps of text. Elsewhere such a name is one that a user chose, for instance for a log target.
PARTS = frozenset({"deviceSelector", "pod"})
# These maps, and the list of values in an expression of a selector.
MAPS = frozenset({"annotations", "labels", "matchLabels", "nodeSelector"})
EXPRESSIONS = "matchExpressions"


def label_values(labels: Mapping[str, Any], option: str = "labels") -> dict[str, str]:
    """Return labels or annotations with every value as text.

    Raises ValueError with a sentence for a value that is not a text, number or boolean. `option` is what the sentence calls the map.
    """
    return {key: _as_text(value, f"{option}: {key}") for key, value in labels.items()}


def label_changes(labels: Mapping[str, Any], option: str = "labels") -> dict[str, str | None]:
    """Return labels or annotations to set, as `label_values` does; None, which removes one, stays."""
    given = {key: value for key, value in labels.items() if value is not None}
    return {**dict.fromkeys(labels), **label_values(given, option)}


def with_label_values(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of the `spec` of an object, with every value of labels, annotations and selectors in it as text.

    Raises ValueError as `label_values` does. What has another shape than it should have stays as it is: the API says what is wrong.
    """
    return {
        key: _convert(key, value, f"spec.{key}") if key in PARTS else value
        for key, value in spec.items()
    }


def _convert(key: str, value: Any, path: str) -> Any:
    if key in MAPS and isinstance(value, Mapping):
        return label_values(value, path)
    if isinstance(value, Mapping):
        return {name: _convert(name, item, f"{path}.{name}") for name, item in value.items()}
    if not isinstance(value, list):
        return value
    entries = [_convert("", entry, f"{path}[{index}]") for index, entry in enumerate(value)]
    return [_with_values(entry, path) for entry in entries] if key == EXPRESSIONS else entries


def _with_values(expression: Any, path: str) -> Any:
    values = expression.get("values") if isinstance(expression, Mapping) else None
    if not isinstance(values, list):
        return expression
    name = f"{path}: {expression.get('key')}"
    return {**expression, "values": [_as_text(value, name) for value in values]}


def _as_text(value: object, name: str) -> str:
    if isinstance(value, bool):  # before numbers, of which Python makes it one
        return "true" if value else "false"
    if isinstance(value, (str, int, float)):
        return str(value)
    if value is None:
        raise ValueError(f'{name} has no value. Write "" for an empty one, or leave it out.')
    kind = "list" if isinstance(value, (list, tuple)) else "dictionary"
    raise ValueError(f"{name} is a {kind}. A value here is text: put quotes around it.")
