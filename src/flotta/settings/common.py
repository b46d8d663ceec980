"""Settings that several programs read."""

from __future__ import annotations

from flotta.own_names import FLOTTA_NAMESPACE
from flotta.settings.setting import FilePath, LogLevel, Text

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
