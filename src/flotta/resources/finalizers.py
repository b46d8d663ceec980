"""Finalizers that keep our objects until what belongs to them is gone."""

from __future__ import annotations

DEVICE_FINALIZER = "device-finalizer"
BUCKET_FINALIZER = "flotta.project-flotta.io/bucket"  # of a claim whose bucket is ours

# Finalizers that earlier systems wrote and nobody removes any more.
LEGACY_DEVICE_FINALIZERS = frozenset(
    {"yggdrasil-connection-finalizer", "yggdrasil-workload-finalizer"}
)
LEGACY_WORKLOAD_FINALIZERS = frozenset({"yggdrasil-device-reference-finalizer"})
LEGACY_FINALIZERS = LEGACY_DEVICE_FINALIZERS | LEGACY_WORKLOAD_FINALIZERS
