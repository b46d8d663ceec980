"""Namespaces as objects; their deletion is a controller's work."""

from __future__ import annotations

from flotta.apiserver.core import shape
from flotta.apiserver.json_object import JsonObject

NAME_LABEL = "kubernetes.io/metadata.name"
PROTECTED = ("default", "kube-system")
INITIAL = ("default", "kube-system", "flotta")
CONDITION = shape.struct(
    {
        **dict.fromkeys(("type", "status", "reason", "message"), shape.text),
        "lastTransitionTime": shape.time,
    }
)
SCHEMA = shape.CoreSchema(
    {
        "spec": shape.struct({"finalizers": shape.listing(shape.text)}),
        "status": shape.struct({"phase": shape.text, "conditions": shape.listing(CONDITION)}),
    },
)


def normalize(namespace: JsonObject, old: JsonObject | None) -> None:
    """Keep the name label and spec.finalizers, which only /finalize changes."""
    meta = namespace["metadata"]
    meta.setdefault("labels", {})[NAME_LABEL] = meta["name"]
    if old is None:
        namespace["spec"] = {"finalizers": ["kubernetes"]}
        namespace["status"] = {"phase": "Active"}
