"""Names and labels of every rendered object."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flotta.installation import names
from flotta.installation.settings import Installation

Object = dict[str, Any]


def new_object(
    installation: Installation,
    api_version: str,
    kind: str,
    name: str,
    component: str,
    *,
    namespace: str | None = "",
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
) -> Object:
    """Return an object with nothing but kind and metadata; an empty namespace is the installation's, None is none."""
    metadata: Object = {
        "name": name,
        "labels": {
            **(labels or {}),
            **selector_labels(component),
            **_own_labels(installation, component),
        },
    }
    if namespace is not None:
        metadata["namespace"] = namespace or installation.namespace
    if annotations:
        metadata["annotations"] = dict(annotations)
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata}


def selector_labels(component: str) -> dict[str, str]:
    """Return the labels that a component's pods have and keep for ever."""
    return {names.NAME: component, names.PART_OF: "flotta"}


def _own_labels(installation: Installation, component: str) -> dict[str, str]:
    return {
        names.COMPONENT: component.removeprefix("flotta-"),
        names.MANAGED_BY: names.FIELD_MANAGER,
        names.VERSION: to_label_value(installation.version),
    }


def version_label(obj: Object | None) -> str:
    """Return the version that an object was made by, "" without an object or a label."""
    labels = ((obj or {}).get("metadata") or {}).get("labels") or {}
    return str(labels.get(names.VERSION, ""))


def to_label_value(text: str) -> str:
    """Return a version as a label may hold it."""
    return "".join(letter if letter.isalnum() or letter in "._-" else "_" for letter in text)[:63]
