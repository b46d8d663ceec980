"""The rules of Namespaces (core/v1); `controllers/namespaces` deletes them."""

from __future__ import annotations

from flotta.apiserver.core.schema import CoreSchema
from flotta.apiserver.json_object import JsonObject
from flotta.own_names import FLOTTA_NAMESPACE

NAME_LABEL = "kubernetes.io/metadata.name"
# The last one has the control plane's own Secrets, its CA among them.
PROTECTED = INITIAL = ("default", "kube-system", FLOTTA_NAMESPACE)
SCHEMA = CoreSchema("io.k8s.api.core.v1.Namespace")


def normalize(namespace: JsonObject, old: JsonObject | None) -> None:
    """Set the name label, and phase and finalizer of a new namespace."""
    meta = namespace["metadata"]
    if "name" in meta:  # without one it is refused for that
        meta.setdefault("labels", {})[NAME_LABEL] = meta["name"]
    if old is None:
        namespace["spec"] = {"finalizers": ["kubernetes"]}
        namespace["status"] = {"phase": "Active"}
