"""Names of what is installed: labels, objects, kinds."""

from __future__ import annotations

from typing import Any

from flotta.own_names import EDGE_API, OPERATOR
from flotta.resources.kinds import CONFIG_MAP, LEASE, NAMESPACE, SECRET, Kind

Object = dict[str, Any]
FIELD_MANAGER = "flotta-edge"
MANAGED_BY = "app.kubernetes.io/managed-by"
PART_OF = "app.kubernetes.io/part-of"
NAME = "app.kubernetes.io/name"
COMPONENT = "app.kubernetes.io/component"
VERSION = "app.kubernetes.io/version"
OURS = f"{MANAGED_BY}={FIELD_MANAGER},{PART_OF}=flotta"

PROGRAMS = (OPERATOR, EDGE_API)
PROVISIONER = "flotta-provisioner"  # the role of an operator that has an S3 server
OPERATOR_CONFIG = "flotta-manager-config"
EDGE_API_CONFIG = "flotta-edge-api-config"
S3_SECRET = "flotta-s3-admin"  # noqa: S105 - the name of an object
METRICS_SERVICE = "flotta-metrics"
INSTALLER = "flotta-installer"
STORAGE_NAMESPACE = "openshift-storage"
DEVICE_PORT = 8043
METRICS_PORT = 8080
PROBE_PORT = 8081

SERVICE_ACCOUNT = Kind("", "v1", "ServiceAccount", "serviceaccounts")
SERVICE = Kind("", "v1", "Service", "services")
POD = Kind("", "v1", "Pod", "pods")
NODE = Kind("", "v1", "Node", "nodes", namespaced=False)
DEPLOYMENT = Kind("apps", "v1", "Deployment", "deployments", status=True)
REPLICA_SET = Kind("apps", "v1", "ReplicaSet", "replicasets", status=True)
BUDGET = Kind("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets", status=True)
RBAC_GROUP = "rbac.authorization.k8s.io"
CLUSTER_ROLE = Kind(RBAC_GROUP, "v1", "ClusterRole", "clusterroles", namespaced=False)
CLUSTER_ROLE_BINDING = Kind(
    RBAC_GROUP, "v1", "ClusterRoleBinding", "clusterrolebindings", namespaced=False
)
ROLE = Kind(RBAC_GROUP, "v1", "Role", "roles")
ROLE_BINDING = Kind(RBAC_GROUP, "v1", "RoleBinding", "rolebindings")
INGRESS = Kind("networking.k8s.io", "v1", "Ingress", "ingresses", status=True)
NETWORK_POLICY = Kind("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies")
ROUTE = Kind("route.openshift.io", "v1", "Route", "routes", status=True)
SERVICE_MONITOR = Kind("monitoring.coreos.com", "v1", "ServiceMonitor", "servicemonitors")
CRD = Kind(
    "apiextensions.k8s.io",
    "v1",
    "CustomResourceDefinition",
    "customresourcedefinitions",
    namespaced=False,
    status=True,
)

# What may be rendered, in the order in which it is removed: programs first, rights last.
RENDERED = (
    DEPLOYMENT,
    BUDGET,
    SERVICE_MONITOR,
    ROUTE,
    INGRESS,
    NETWORK_POLICY,
    SERVICE,
    CONFIG_MAP,
    SECRET,
    ROLE_BINDING,
    CLUSTER_ROLE_BINDING,
    ROLE,
    CLUSTER_ROLE,
    SERVICE_ACCOUNT,
)
OPTIONAL = (SERVICE_MONITOR, ROUTE)  # kinds that a cluster need not know
KINDS = {(kind.api_version, kind.kind): kind for kind in (*RENDERED, NAMESPACE, LEASE, CRD)}


def kind_of(obj: Object) -> Kind:
    """Return the kind of a rendered object."""
    return KINDS[obj["apiVersion"], obj["kind"]]


def object_identity(obj: Object) -> tuple[str, str, str, str]:
    """Return what tells objects apart: API version, kind, namespace, name."""
    metadata = obj["metadata"]
    return obj["apiVersion"], obj["kind"], metadata.get("namespace") or "", metadata["name"]


def title(obj: Object) -> str:
    """Name an object in a sentence."""
    metadata = obj["metadata"]
    place = f"{metadata['namespace']}/" if metadata.get("namespace") else ""
    return f"{obj['kind']} {place}{metadata['name']}"
