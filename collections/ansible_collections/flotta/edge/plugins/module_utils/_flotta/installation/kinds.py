# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/installation/kinds.py: change that.
"""The kinds that an installation consists of or reads, besides those of every program."""

from __future__ import annotations

from typing import cast

from ..installation.objects import (
    AdmissionPolicy,
    AdmissionPolicyBinding,
    Deployment,
    Ingress,
    NetworkPolicy,
    Node,
    Pod,
    PodDisruptionBudget,
    ReplicaSet,
    Role,
    RoleBinding,
    Service,
    ServiceAccount,
    ServiceMonitor,
)
from ..resources.crds import CRD as CRD
from ..resources.kinds import (
    CONFIG_MAP,
    LEASE,
    NAMESPACE,
    ROUTE,
    SECRET,
    Kind,
    ResourceT,
)
from ..resources.objects.meta import Resource

SERVICE_ACCOUNT: Kind[ServiceAccount] = Kind("", "v1", "ServiceAccount", "serviceaccounts")
SERVICE: Kind[Service] = Kind("", "v1", "Service", "services")
POD: Kind[Pod] = Kind("", "v1", "Pod", "pods")
NODE: Kind[Node] = Kind("", "v1", "Node", "nodes", namespaced=False)
DEPLOYMENT: Kind[Deployment] = Kind("apps", "v1", "Deployment", "deployments", status=True)
REPLICA_SET: Kind[ReplicaSet] = Kind("apps", "v1", "ReplicaSet", "replicasets", status=True)
BUDGET: Kind[PodDisruptionBudget] = Kind(
    "policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets", status=True
)
RBAC_GROUP = "rbac.authorization.k8s.io"
CLUSTER_ROLE: Kind[Role] = Kind(RBAC_GROUP, "v1", "ClusterRole", "clusterroles", namespaced=False)
CLUSTER_ROLE_BINDING: Kind[RoleBinding] = Kind(
    RBAC_GROUP, "v1", "ClusterRoleBinding", "clusterrolebindings", namespaced=False
)
ROLE: Kind[Role] = Kind(RBAC_GROUP, "v1", "Role", "roles")
ROLE_BINDING: Kind[RoleBinding] = Kind(RBAC_GROUP, "v1", "RoleBinding", "rolebindings")
ADMISSION_GROUP = "admissionregistration.k8s.io"
ADMISSION_POLICY: Kind[AdmissionPolicy] = Kind(
    ADMISSION_GROUP,
    "v1",
    "ValidatingAdmissionPolicy",
    "validatingadmissionpolicies",
    namespaced=False,
    status=True,
)
ADMISSION_BINDING: Kind[AdmissionPolicyBinding] = Kind(
    ADMISSION_GROUP,
    "v1",
    "ValidatingAdmissionPolicyBinding",
    "validatingadmissionpolicybindings",
    namespaced=False,
)
INGRESS: Kind[Ingress] = Kind("networking.k8s.io", "v1", "Ingress", "ingresses", status=True)
NETWORK_POLICY: Kind[NetworkPolicy] = Kind(
    "networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies"
)
SERVICE_MONITOR: Kind[ServiceMonitor] = Kind(
    "monitoring.coreos.com", "v1", "ServiceMonitor", "servicemonitors"
)
# What may be rendered, in the order in which it is removed: programs first, RBAC last.
RENDERED: tuple[Kind[Resource], ...] = (
    DEPLOYMENT,
    BUDGET,
    SERVICE_MONITOR,
    ROUTE,
    INGRESS,
    NETWORK_POLICY,
    SERVICE,
    CONFIG_MAP,
    SECRET,
    ADMISSION_BINDING,
    ADMISSION_POLICY,
    ROLE_BINDING,
    CLUSTER_ROLE_BINDING,
    ROLE,
    CLUSTER_ROLE,
    SERVICE_ACCOUNT,
)
OPTIONAL: tuple[Kind[Resource], ...] = (
    SERVICE_MONITOR,
    ROUTE,
    ADMISSION_POLICY,
    ADMISSION_BINDING,
)  # kinds that a cluster need not serve
KINDS: dict[tuple[str, str], Kind[Resource]] = {
    (kind.api_version, kind.kind): kind for kind in (*RENDERED, NAMESPACE, LEASE, CRD)
}


def kind_of(obj: ResourceT) -> Kind[ResourceT]:
    """Return the kind of a rendered object; KeyError for a kind that we do not render."""
    # The type of the table cannot express that an object's type follows from apiVersion and kind.
    return cast("Kind[ResourceT]", KINDS[obj["apiVersion"], obj["kind"]])
