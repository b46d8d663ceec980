# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/installation/labels.py: change that.
"""Labels by which installed objects are known: their component, and the version that wrote them."""

from __future__ import annotations

from ..installation import names
from ..resources.objects.meta import Resource
from ..resources.views import labels_of

LABEL_LENGTH = 63  # characters, as Kubernetes allows in a value


def component_of(obj: Resource) -> str:
    """Return the component to which an object of ours belongs, as `new_object` was told."""
    return labels_of(obj).get(names.NAME, "")


def version_label(obj: Resource | None) -> str:
    """Return the version of flotta that wrote an object, "" without an object or a label."""
    return labels_of(obj).get(names.VERSION, "") if obj is not None else ""


def to_label_value(text: str) -> str:
    """Return a version as a valid value of a label."""
    letters = (letter if letter.isalnum() or letter in "._-" else "_" for letter in text)
    return "".join(letters)[:LABEL_LENGTH]
