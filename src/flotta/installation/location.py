"""Where devices reach the Edge API: addresses of nodes or load balancer, and the endpoint that follows."""

from __future__ import annotations

import dataclasses
from typing import Any

from ..resources.client import ApiError, Forbidden, NotFound
from ..resources.kinds import NAMESPACE
from . import names
from .apply import Applier
from .clock import Deadline
from .errors import ASK, InstallationError, explained
from .settings import Installation

Object = dict[str, Any]
HTTPS = 443


async def located(
    applier: Applier, installation: Installation, service: Object, *, patience: float
) -> Installation:
    """Return the installation with the names that the cluster gives it, which its certificate has to cover."""
    if installation.service_type == "LoadBalancer":
        found = await _balancer_names(applier, installation, service, patience=patience)
    elif installation.service_type == "NodePort" and not installation.server_names:
        found = await _node_names(applier, needed=not installation.entrances)
    else:
        found = ()
    return dataclasses.replace(installation, found_names=found)


async def with_openshift(applier: Applier, installation: Installation) -> Installation:
    """Return the installation fitted to OpenShift, where the cluster is one."""
    return dataclasses.replace(
        installation,
        openshift=installation.openshift or await _has_openshift_storage(applier),
        assigned_users=installation.assigned_users or await _assigns_users(applier),
    )


async def _has_openshift_storage(applier: Applier) -> bool:
    """Rights in a namespace that is not there, or is on its way out, cannot be given."""
    found = await applier.named(NAMESPACE, names.STORAGE_NAMESPACE)
    return found is not None and not found["metadata"].get("deletionTimestamp")


async def _assigns_users(applier: Applier) -> bool:
    """Security context constraints of OpenShift refuse pods that choose their own user id."""
    try:
        await applier.client.read("/apis/security.openshift.io")
    except NotFound:
        return False
    except ApiError as error:
        raise explained(error) from error
    return True


async def _balancer_names(
    applier: Applier, installation: Installation, service: Object, *, patience: float
) -> tuple[str, ...]:
    if applier.check_mode or not patience:
        return balancer_names(service)

    async def look() -> tuple[str, ...]:
        live = await applier.named(names.SERVICE, names.EDGE_API, installation.namespace)
        return balancer_names(live or {})

    found = await Deadline(patience).until(look)
    if not found:
        raise InstallationError(
            f"Service {installation.namespace}/{names.EDGE_API} has no address after {patience:.0f} s; this cluster "
            "seems to have no load balancer: use service_type=NodePort, or install one"
        )
    return found


def balancer_names(service: Object) -> tuple[str, ...]:
    """Return what a load balancer was given: host names and addresses."""
    entries = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
    found = [entry.get(key) for entry in entries for key in ("hostname", "ip")]
    return tuple(item for item in found if item)


async def _node_names(applier: Applier, *, needed: bool) -> tuple[str, ...]:
    """Addresses of the nodes; none when they may not be read and devices have another way in."""
    try:
        nodes = await applier.client.list(names.NODE)
    except Forbidden as error:
        if not needed:
            return ()
        raise InstallationError(
            "The addresses of the nodes, at which devices connect, may not be read; set server_names, or "
            f"{ASK}"
        ) from error
    except ApiError as error:
        raise explained(error, "nodes") from error
    return node_names(nodes)


def node_names(nodes: list[Object]) -> tuple[str, ...]:
    """Return external addresses before internal ones."""
    found: list[str] = []
    for wanted in ("ExternalIP", "InternalIP"):
        for node in sorted(nodes, key=lambda item: str(item["metadata"]["name"])):
            addresses = (node.get("status") or {}).get("addresses") or []
            found += [item["address"] for item in addresses if item["type"] == wanted]
    return tuple(dict.fromkeys(found))


def endpoint(installation: Installation) -> str:
    """Return `host:port` for devices; empty while a load balancer has no address."""
    if installation.entrances:
        return f"{installation.entrances[0]}:{HTTPS}"
    if lacks_address(installation):
        return ""
    name = installation.certificate_names[0]
    host = f"[{name}]" if ":" in name else name
    node_port = installation.service_type == "NodePort"
    return f"{host}:{installation.node_port if node_port else names.DEVICE_PORT}"


def lacks_address(installation: Installation) -> bool:
    """Tell whether devices have no way in yet, because the cluster gave the load balancer no address."""
    known = (*installation.server_names, *installation.entrances, *installation.found_names)
    return installation.service_type == "LoadBalancer" and not known
