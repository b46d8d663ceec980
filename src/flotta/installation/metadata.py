"""Names and labels of every rendered object."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from flotta.installation import names
from flotta.installation.settings import Installation
from flotta.resources.kinds import Kind, ResourceT
from flotta.resources.objects.meta import ObjectMeta, Resource
from flotta.resources.views import labels_of

LABEL_LENGTH = 63  # characters, as Kubernetes allows in a value


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
