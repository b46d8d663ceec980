# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/pod_fields/check.py: change that.
"""What a PodSpec contains that a device refuses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..pod_fields.combinations import (
    describe_exclusive,
    describe_needed,
    find_contradictions,
)
from ..pod_fields.field import PodmanVersion
from ..pod_fields.table import Node, tree

PREFIX = "spec.pod.spec"  # of an EdgeWorkload
MAX_SHOWN = 3  # fields in a sentence
MAX_KEY = 80  # characters of an unknown field's name
UNKNOWN = "this release of the device worker does not know the field; remove it, or upgrade"


@dataclass(frozen=True)
class RefusedField:
    """A field that cannot work: its path in the EdgeWorkload, with indices, and the reason."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


def find_refused(
    spec: Mapping[str, object], podman: PodmanVersion | None = None
) -> list[RefusedField]:
    """Return what is refused in a PodSpec, in the order in which it is written.

    Without `podman`, only what works with none. Combinations of fields are looked at when each of
    them works. Values of another type than the schema's are left to the code that reads them.
    """
    single = list(_walk(tree(), spec, PREFIX, podman))
    if single:
        return single
    return [RefusedField(f"{PREFIX}.{path}", text) for path, text in find_contradictions(spec)]


def describe_refused(refused: Sequence[RefusedField]) -> str:
    """Return one sentence about the first fields, the same for the same specification."""
    more = len(refused) - MAX_SHOWN
    rest = f"; and {more} more" if more > 0 else ""
    return "; ".join(map(str, refused[:MAX_SHOWN])) + rest


def _walk(
    node: Node, value: object, path: str, podman: PodmanVersion | None
) -> Iterator[RefusedField]:
    if value is None:
        return
    for refusal in node.row.refusals if node.row else ():
        if refusal.refuses(value, podman):
            yield RefusedField(path, refusal.message)
            return
    if isinstance(value, list) and "[]" in node.below:
        for index, item in enumerate(value):
            yield from _walk(node.below["[]"], item, f"{path}[{index}]", podman)
    elif isinstance(value, Mapping) and node.below and "[]" not in node.below:
        present = [name for name in node.exclusive if value.get(name) not in (None, "")]
        if len(present) > 1:
            yield RefusedField(path, describe_exclusive(present))
        elif node.is_needed and not present:
            yield RefusedField(path, describe_needed(node.choices))
        for key, item in value.items():
            yield from _walk_field(node, str(key), item, path, podman)


def _walk_field(
    node: Node, key: str, value: object, path: str, podman: PodmanVersion | None
) -> Iterator[RefusedField]:
    if key in node.below:
        yield from _walk(node.below[key], value, f"{path}.{key}", podman)
    elif value is not None:
        yield RefusedField(f"{path}.{key[:MAX_KEY]}", UNKNOWN)
