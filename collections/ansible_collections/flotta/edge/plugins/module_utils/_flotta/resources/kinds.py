# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/resources/kinds.py: change that.
"""The kinds of the resource API that the control plane uses, with their REST paths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar
from urllib.parse import quote

from .. import own_names
from ..resources.errors import NotFound
from ..resources.objects.core import ConfigMap, Event, Lease, Namespace, Secret
from ..resources.objects.device_settings import EdgeDeviceSet
from ..resources.objects.devices import EdgeDevice, SignedRequest
from ..resources.objects.meta import Resource
from ..resources.objects.playbooks import EdgeConfig, PlaybookExecution
from ..resources.objects.storage import BucketClaim, Route
from ..resources.objects.workloads import EdgeWorkload

GROUP = own_names.GROUP
VERSION = "v1alpha1"
# Of an EdgeDevice: it gets no configuration yet (docs/reference/control-plane.md#adoption).
WITHHELD_ANNOTATION = f"{GROUP}/configuration-withheld"
# Of an EdgeDevice: the name of its EdgeDeviceSet (docs/reference/control-plane.md#edgedevicesets).
MEMBER_LABEL = "flotta/member-of"

ResourceT = TypeVar("ResourceT", bound=Resource)
ResourceT_co = TypeVar("ResourceT_co", bound=Resource, covariant=True)


@dataclass(frozen=True)
class Kind(Generic[ResourceT_co]):
    """One kind of one group version, and the type of its objects.

    `status` says whether the kind has the status subresource.
    """

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool = True
    status: bool = False

    @property
    def api_version(self) -> str:
        """`apiVersion` of its objects."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(
        self,
        namespace: str | None = None,
        name: str | None = None,
        subresource: str | None = None,
    ) -> str:
        """Return the URL path of a collection, an object or a subresource.

        Without a namespace it is that of all namespaces or of the cluster scope. Raises NotFound
        for a name that no object can have and that would make another path.
        """
        parts = ["/apis" if self.group else "/api", self.api_version]
        if namespace is not None and self.namespaced:
            parts += ["namespaces", _segment("Namespace", namespace)]
        parts.append(self.plural)
        if name is not None:
            parts.append(_segment(self.kind, name))
        return "/".join(parts if subresource is None else [*parts, subresource])


def _segment(kind: str, name: str) -> str:
    """Return a name as one segment of a path (RFC 3986, section 3.3).

    What quoting does not keep in one segment is refused, as Kubernetes does it
    (apimachinery, ValidatePathSegmentName): its servers take %2F for a slash.
    """
    if name in ("", ".", "..") or "/" in name or "%" in name:
        raise NotFound(404, "NotFound", f"no {kind} can have the name {name!r}")
    return quote(name, safe="")


_served: list[Kind[Resource]] = []


def _serve(kind: Kind[ResourceT]) -> Kind[ResourceT]:
    """Return the kind after adding it to `ALL`."""
    _served.append(kind)
    return kind


EDGE_DEVICE: Kind[EdgeDevice] = _serve(
    Kind(GROUP, VERSION, "EdgeDevice", "edgedevices", status=True)
)
EDGE_DEVICE_SET: Kind[EdgeDeviceSet] = _serve(
    Kind(GROUP, VERSION, "EdgeDeviceSet", "edgedevicesets", status=True)
)
EDGE_WORKLOAD: Kind[EdgeWorkload] = _serve(
    Kind(GROUP, VERSION, "EdgeWorkload", "edgeworkloads", status=True)
)
SIGNED_REQUEST: Kind[SignedRequest] = _serve(
    Kind(GROUP, VERSION, "EdgeDeviceSignedRequest", "edgedevicesignedrequest", status=True)
)
EDGE_CONFIG: Kind[EdgeConfig] = _serve(
    Kind(GROUP, VERSION, "EdgeConfig", "edgeconfigs", status=True)
)
PLAYBOOK_EXECUTION: Kind[PlaybookExecution] = _serve(
    Kind(GROUP, VERSION, "PlaybookExecution", "playbookexecutions", status=True)
)
BUCKET_CLAIM: Kind[BucketClaim] = _serve(
    Kind("objectbucket.io", "v1alpha1", "ObjectBucketClaim", "objectbucketclaims", status=True)
)
SECRET: Kind[Secret] = _serve(Kind("", "v1", "Secret", "secrets"))
CONFIG_MAP: Kind[ConfigMap] = _serve(Kind("", "v1", "ConfigMap", "configmaps"))
EVENT: Kind[Event] = _serve(Kind("", "v1", "Event", "events"))
NAMESPACE: Kind[Namespace] = _serve(
    Kind("", "v1", "Namespace", "namespaces", namespaced=False, status=True)
)
LEASE: Kind[Lease] = _serve(Kind("coordination.k8s.io", "v1", "Lease", "leases"))

# What both engines serve, in the order above.
ALL: tuple[Kind[Resource], ...] = tuple(_served)

# OpenShift's; the embedded engine does not serve it.
ROUTE: Kind[Route] = Kind("route.openshift.io", "v1", "Route", "routes", status=True)
