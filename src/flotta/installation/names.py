"""Names of what is installed: labels, objects, kinds."""

from __future__ import annotations

from typing import NamedTuple, cast

from flotta.installation.objects import (
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
from flotta.own_names import EDGE_API, OPERATOR
from flotta.resources.crds import CustomResourceDefinition
from flotta.resources.kinds import CONFIG_MAP, LEASE, NAMESPACE, ROUTE, SECRET, Kind, ResourceT
from flotta.resources.objects.meta import Resource
from flotta.resources.views import name_of, namespace_of

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
DEVICE_PORT = 8043  # TCP, as the next two
METRICS_PORT = 8080
PROBE_PORT = 8081

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
INGRESS: Kind[Ingress] = Kind("networking.k8s.io", "v1", "Ingress", "ingresses", status=True)
NETWORK_POLICY: Kind[NetworkPolicy] = Kind(
    "networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies"
)
SERVICE_MONITOR: Kind[ServiceMonitor] = Kind(
    "monitoring.coreos.com", "v1", "ServiceMonitor", "servicemonitors"
)
CRD: Kind[CustomResourceDefinition] = Kind(
    "apiextensions.k8s.io",
    "v1",
    "CustomResourceDefinition",
    "customresourcedefinitions",
    namespaced=False,
    status=True,
)

# What may be rendered, in the order in which it is removed: programs first, rights last.
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
    ROLE_BINDING,
    CLUSTER_ROLE_BINDING,
    ROLE,
    CLUSTER_ROLE,
    SERVICE_ACCOUNT,
)
OPTIONAL: tuple[Kind[Resource], ...] = (
    SERVICE_MONITOR,
    ROUTE,
)  # kinds that a cluster need not know
KINDS: dict[tuple[str, str], Kind[Resource]] = {
    (kind.api_version, kind.kind): kind for kind in (*RENDERED, NAMESPACE, LEASE, CRD)
}


class Identity(NamedTuple):
    """What tells objects of all kinds apart; an empty namespace is the cluster scope."""

    api_version: str
    kind: str
    namespace: str
    name: str


def kind_of(obj: ResourceT) -> Kind[ResourceT]:
    """Return the kind of a rendered object; KeyError for one that we do not render."""
    # The table does not know that an object's type and its apiVersion and kind say the same.
    return cast("Kind[ResourceT]", KINDS[obj["apiVersion"], obj["kind"]])


def object_identity(obj: Resource) -> Identity:
    """Return what tells the object apart from all others."""
    return Identity(obj["apiVersion"], obj["kind"], namespace_of(obj), name_of(obj))


def title(obj: Resource) -> str:
    """Name an object in a sentence: `Kind namespace/name`."""
    namespace = namespace_of(obj)
    return f"{obj['kind']} {f'{namespace}/' if namespace else ''}{name_of(obj)}"
