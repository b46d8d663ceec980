# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/installation/diff.py: change that.
"""The difference that an apply makes, without secret values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypedDict

from ..resources.objects.meta import Manifest

# Written only by the server or by controllers.
NOISE = (
    "managedFields",
    "resourceVersion",
    "uid",
    "creationTimestamp",
    "generation",
    "selfLink",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
)
# kubectl's copy of the whole object, with the values of a Secret.
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
HIDDEN = "(not shown)"
HIDDEN_NEW = "(not shown; new)"


class AnsibleDiff(TypedDict):
    """An entry of Ansible's `diff`."""

    before_header: str
    after_header: str
    before: Manifest
    after: Manifest


@dataclass(frozen=True)
class ObjectChange:
    """One object before and after; None where it does not exist."""

    title: str
    before: Manifest | None
    after: Manifest | None

    def as_ansible_diff(self) -> AnsibleDiff:
        """Return the change as Ansible shows it; an object that does not exist is empty."""
        return {
            "before_header": self.title,
            "after_header": self.title,
            "before": self.before or {},
            "after": self.after or {},
        }


def strip_noise(obj: Manifest | None) -> Manifest | None:
    """Return an object without its status and the metadata that the server writes."""
    if obj is None:
        return None
    metadata = {key: value for key, value in _section(obj, "metadata").items() if key not in NOISE}
    annotations = _section(metadata, "annotations")
    metadata.pop("annotations", None)
    if others := {key: value for key, value in annotations.items() if key != LAST_APPLIED}:
        metadata["annotations"] = others
    kept = {key: value for key, value in obj.items() if key not in ("status", "metadata")}
    return {**kept, "metadata": metadata}


def diff_objects(
    title: str, before: Manifest | None, after: Manifest | None
) -> ObjectChange | None:
    """Return the difference, None when there is none."""
    old, new = strip_noise(before), strip_noise(after)
    if old == new:
        return None
    if not any(obj is not None and obj.get("kind") == "Secret" for obj in (before, after)):
        return ObjectChange(title, old, new)
    return ObjectChange(title, _hide_values(old, None), _hide_values(new, old))


def _hide_values(secret: Manifest | None, older: Manifest | None) -> Manifest | None:
    """Return a Secret with texts in place of its values that say only whether they are new.

    Annotations are left out: other tools store copies of values there.
    """
    if secret is None:
        return None
    known = _section(older or {}, "data")
    values = {
        key: HIDDEN if older is None or known.get(key) == value else HIDDEN_NEW
        for key, value in _section(secret, "data").items()
    }
    metadata = _section(secret, "metadata")
    shown = {key: value for key, value in metadata.items() if key != "annotations"}
    kept = {key: value for key, value in secret.items() if key != "stringData"}
    return {**kept, "metadata": shown, "data": values}


def _section(obj: Manifest, name: str) -> Manifest:
    """Return a part of an object if it is a mapping, else an empty one."""
    part = obj.get(name)
    return part if isinstance(part, Mapping) else {}
