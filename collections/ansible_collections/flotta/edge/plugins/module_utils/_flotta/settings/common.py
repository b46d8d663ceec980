# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/settings/common.py: change that.
"""Settings that several programs read."""

from __future__ import annotations

from ..own_names import FLOTTA_NAMESPACE
from ..settings.setting import FilePath, LogLevel, Text

KUBECONFIG = FilePath(
    help="Kubeconfig with the address of the resource API and the identity to use there.",
    variable="KUBECONFIG",
    default_help="the service account of the pod",
)
LOG_LEVEL = LogLevel(
    help="How much the control plane logs.",
    variable="LOG_LEVEL",
    option="log_level",
    role_input="operator_log_level",
)
NAMESPACE = Text(
    help="Namespace of the control plane.",
    default=FLOTTA_NAMESPACE,
    variable="FLOTTA_NAMESPACE",
    option="namespace",
    role_input="operator_namespace",
)
