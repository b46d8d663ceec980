"""Finalizers that keep our objects until what belongs to them is removed.

Described in docs/reference/control-plane.md#labels-annotations-and-finalizers.
"""

from __future__ import annotations

DEVICE_FINALIZER = "device-finalizer"
BUCKET_FINALIZER = "flotta.project-flotta.io/bucket"  # of a claim whose bucket flotta created

# Finalizers that earlier releases of Project Flotta wrote; their own controllers are gone.
LEGACY_DEVICE_FINALIZERS = frozenset(
    {"yggdrasil-connection-finalizer", "yggdrasil-workload-finalizer"}
)
LEGACY_WORKLOAD_FINALIZERS = frozenset({"yggdrasil-device-reference-finalizer"})
LEGACY_FINALIZERS = LEGACY_DEVICE_FINALIZERS | LEGACY_WORKLOAD_FINALIZERS
