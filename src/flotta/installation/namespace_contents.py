"""The objects in a namespace that would be lost with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypedDict, cast

from flotta.installation import names
from flotta.installation.apply import Applier
from flotta.installation.errors import describe_error
from flotta.resources.client import ApiError, Client, Forbidden, NotFound
from flotta.resources.kinds import Kind
from flotta.resources.objects.meta import Resource
from flotta.resources.views import is_being_deleted, name_of

# Kubernetes creates these for objects that are counted themselves.
GENERATED = frozenset(
    {"events", "endpoints", "endpointslices", "leases", "controllerrevisions", "podmetrics"}
)
# Kubernetes and OpenShift put these into every namespace.
EVERYWHERE = {
    "ConfigMap": ("kube-root-ca.crt", "openshift-service-ca.crt"),
    "ServiceAccount": ("default", "builder", "deployer"),
}
# Kinds of Kubernetes that we do not render; an installer needs permission to list them, too.
BUILT_IN = {
    "": (
        *("persistentvolumeclaims", "podtemplates", "replicationcontrollers"),
        *("resourcequotas", "limitranges"),
    ),
    "apps": ("daemonsets", "statefulsets"),
    "autoscaling": ("horizontalpodautoscalers",),
    "batch": ("cronjobs", "jobs"),
    "resource.k8s.io": ("resourceclaims", "resourceclaimtemplates"),
    "storage.k8s.io": ("csistoragecapacities",),
}


class GroupVersion(TypedDict):
    """A version of an API group."""

    groupVersion: str


class ApiGroup(TypedDict):
    """An API group that the cluster serves."""

    preferredVersion: GroupVersion


class ApiGroupList(TypedDict):
    """The response of `/apis`."""

    groups: list[ApiGroup]


class ApiResource(TypedDict):
    """A kind that the cluster serves, or a subresource (`name` has a slash then)."""

    name: str  # the plural
    kind: str
    namespaced: bool
    verbs: list[str]


class ApiResourceList(TypedDict):
    """The response of `/apis/GROUP/VERSION` and of `/api/v1`."""

    resources: list[ApiResource]


class NamespacedObject(Resource, total=False):
    """An object of any kind; `type` is a field of Secrets and of kinds that we do not know."""

    type: object


async def list_contents(applier: Applier, namespace: str) -> list[str]:
    """Return a text for each object in the namespace, and for what cannot be listed.

    Objects that are being deleted do not count. Raises InstallationError.
    """
    kinds, found = await _discover_kinds(applier.client)
    for kind in kinds:
        found += await _list_kind(applier, kind, namespace)
    return found


async def _list_kind(applier: Applier, kind: Kind[NamespacedObject], namespace: str) -> list[str]:
    try:
        objects = await applier.client.list(kind, namespace)
    except NotFound:
        return []
    except Forbidden:
        return [f"{kind.plural} of {kind.group or 'Kubernetes'}, if any: you may not list them"]
    except ApiError as error:
        raise describe_error(error, kind.plural) from error
    return [names.title(obj) for obj in objects if _would_be_missed(obj)]


def _would_be_missed(obj: NamespacedObject) -> bool:
    if is_being_deleted(obj) or name_of(obj).startswith("system:"):
        return False
    if any(owner.get("controller") for owner in obj["metadata"].get("ownerReferences") or []):
        return False  # counted by its owner
    if obj.get("type") == "kubernetes.io/service-account-token":
        return False
    return name_of(obj) not in EVERYWHERE.get(obj["kind"], ())


async def _discover_kinds(client: Client) -> tuple[list[Kind[NamespacedObject]], list[str]]:
    """Return the kinds that a namespace may contain, and a text for each API without response."""
    try:
        # Both responses have the form of Kubernetes' discovery API.
        groups = cast("ApiGroupList", await client.read_json("/apis"))["groups"]
    except ApiError as error:
        raise describe_error(error) from error
    kinds: list[Kind[NamespacedObject]] = []
    silent: list[str] = []
    for version in ("v1", *(group["preferredVersion"]["groupVersion"] for group in groups)):
        path = f"/apis/{version}" if "/" in version else f"/api/{version}"
        try:
            served = cast("ApiResourceList", await client.read_json(path))["resources"]
        except ApiError as error:
            silent.append(f"objects of {version}, if any: {error.message}")
            continue
        kinds += _namespaced_kinds(version, served)
    return kinds, silent


def _namespaced_kinds(
    group_version: str, resources: Iterable[ApiResource]
) -> Iterator[Kind[NamespacedObject]]:
    group, _, version = group_version.rpartition("/")
    for entry in resources:
        usable = entry["namespaced"] and {"list", "delete"} <= set(entry["verbs"])
        if usable and "/" not in entry["name"] and entry["name"] not in GENERATED:
            yield Kind(group, version, entry["kind"], entry["name"])
