# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/resources/finalizers.py: change that.
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
