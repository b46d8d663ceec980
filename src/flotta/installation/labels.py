"""Labels by which installed objects are known: their component, and the version that wrote them."""

from __future__ import annotations

from flotta.installation import names
from flotta.resources.objects.meta import Resource
from flotta.resources.views import labels_of

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
