"""Names and labels of every rendered object."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from flotta.installation import names
from flotta.installation.labels import to_label_value
from flotta.installation.settings import Installation
from flotta.resources.kinds import Kind, ResourceT
from flotta.resources.objects.meta import ObjectMeta


def new_object(
    installation: Installation,
    kind: Kind[ResourceT],
    name: str,
    component: str,
    *,
    namespace: str = "",
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
) -> ResourceT:
    """Return an object with only apiVersion, kind and metadata; the renderer adds the rest.

    An empty namespace means that of the installation. Our own labels override `labels`.
    """
    own = {**selector_labels(component), **_own_labels(installation, component)}
    metadata: ObjectMeta = {"name": name, "labels": {**(labels or {}), **own}}
    if kind.namespaced:
        metadata["namespace"] = namespace or installation.namespace
    if annotations:
        metadata["annotations"] = dict(annotations)
    # The kind determines the type.
    return cast(
        "ResourceT",
        {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata},
    )


def selector_labels(component: str) -> dict[str, str]:
    """Return the labels by which a component's pods are selected; they must never change."""
    return {names.NAME: component, names.PART_OF: "flotta"}


def _own_labels(installation: Installation, component: str) -> dict[str, str]:
    return {
        names.COMPONENT: component.removeprefix("flotta-"),
        names.MANAGED_BY: names.FIELD_MANAGER,
        names.VERSION: to_label_value(installation.version),
    }
