# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/installation/names.py: change that.
"""Names of what is installed: labels and objects."""

from __future__ import annotations

from typing import NamedTuple

from ..own_names import EDGE_API, OPERATOR
from ..resources.objects.meta import Resource
from ..resources.views import name_of, namespace_of

FIELD_MANAGER = "flotta-edge"
MANAGED_BY = "app.kubernetes.io/managed-by"
PART_OF = "app.kubernetes.io/part-of"
NAME = "app.kubernetes.io/name"
COMPONENT = "app.kubernetes.io/component"
VERSION = "app.kubernetes.io/version"
OURS = f"{MANAGED_BY}={FIELD_MANAGER},{PART_OF}=flotta"

# The programs by the names of components, in the order in which they are waited for.
COMPONENT_PROGRAMS = {"operator": OPERATOR, "edge_api": EDGE_API}
PROVISIONER = "flotta-provisioner"  # the role of an operator with an S3 server
OPERATOR_CONFIG = "flotta-manager-config"
EDGE_API_CONFIG = "flotta-edge-api-config"
REMOTE_CA_CONFIG = "flotta-remote-backend-ca"
S3_SECRET = "flotta-s3-admin"  # noqa: S105 - the name of an object
METRICS_SERVICE = "flotta-metrics"  # a component as well, of what both programs share
INSTALLER = "flotta-installer"
STORAGE_NAMESPACE = "openshift-storage"
METRICS_PORT = 8080  # TCP, of both programs
PROBE_PORT = 8081  # TCP, of the operator


class ObjectIdentity(NamedTuple):
    """What identifies an object of any kind; an empty namespace means the cluster scope."""

    api_version: str
    kind: str
    namespace: str
    name: str


def object_identity(obj: Resource) -> ObjectIdentity:
    """Return what identifies the object among all others."""
    return ObjectIdentity(obj["apiVersion"], obj["kind"], namespace_of(obj), name_of(obj))


def title(obj: Resource) -> str:
    """Name an object in a sentence: `Kind namespace/name`."""
    namespace = namespace_of(obj)
    return f"{obj['kind']} {f'{namespace}/' if namespace else ''}{name_of(obj)}"
