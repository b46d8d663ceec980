"""The resource kinds that the control plane knows, with their REST paths."""

from __future__ import annotations

from dataclasses import dataclass

GROUP = "management.project-flotta.io"
MEMBER_LABEL = "flotta/member-of"  # of an EdgeDevice: the name of its EdgeDeviceSet


@dataclass(frozen=True)
class Kind:
    """One kind of one group version; ``status`` tells whether it has the status subresource."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool = True
    status: bool = False

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(
        self,
        namespace: str | None = None,
        name: str | None = None,
        subresource: str | None = None,
    ) -> str:
        """Return the URL path of a collection, an object or a subresource.

        No namespace means cluster-wide.
        """
        parts = ["/apis" if self.group else "/api", self.api_version]
        if namespace is not None and self.namespaced:
            parts += ["namespaces", namespace]
        parts.append(self.plural)
        parts += [part for part in (name, subresource) if part is not None]
        return "/".join(parts)


def _ours(kind: str, plural: str) -> Kind:
    return Kind(GROUP, "v1alpha1", kind, plural, status=True)


EDGE_DEVICE = _ours("EdgeDevice", "edgedevices")
EDGE_DEVICE_SET = _ours("EdgeDeviceSet", "edgedevicesets")
EDGE_WORKLOAD = _ours("EdgeWorkload", "edgeworkloads")
SIGNED_REQUEST = _ours("EdgeDeviceSignedRequest", "edgedevicesignedrequest")
EDGE_CONFIG = _ours("EdgeConfig", "edgeconfigs")
PLAYBOOK_EXECUTION = _ours("PlaybookExecution", "playbookexecutions")
BUCKET_CLAIM = Kind(
    "objectbucket.io", "v1alpha1", "ObjectBucketClaim", "objectbucketclaims", status=True
)
SECRET = Kind("", "v1", "Secret", "secrets")
CONFIG_MAP = Kind("", "v1", "ConfigMap", "configmaps")
EVENT = Kind("", "v1", "Event", "events")
NAMESPACE = Kind("", "v1", "Namespace", "namespaces", namespaced=False, status=True)
LEASE = Kind("coordination.k8s.io", "v1", "Lease", "leases")

# OpenShift's, never served or made by us: read where it is there.
ROUTE = Kind("route.openshift.io", "v1", "Route", "routes", status=True)

ALL = (
    EDGE_DEVICE,
    EDGE_DEVICE_SET,
    EDGE_WORKLOAD,
    SIGNED_REQUEST,
    EDGE_CONFIG,
    PLAYBOOK_EXECUTION,
    BUCKET_CLAIM,
    SECRET,
    CONFIG_MAP,
    EVENT,
    NAMESPACE,
    LEASE,
)
