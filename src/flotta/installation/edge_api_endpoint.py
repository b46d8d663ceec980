"""The address at which devices reach the Edge API: of nodes, load balancer, Ingress or Route."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from flotta.installation import kinds, names
from flotta.installation.apply import Applier
from flotta.installation.deadline import Deadline
from flotta.installation.errors import ASK, InstallationError, describe_error
from flotta.installation.objects import Node, Service
from flotta.installation.settings import Installation
from flotta.own_names import DEVICE_PORT, EDGE_API
from flotta.resources.client import ApiError, Forbidden, NotFound
from flotta.resources.kinds import NAMESPACE
from flotta.resources.views import is_being_deleted, name_of, status_of

HTTPS = 443  # TCP


async def add_found_names(
    applier: Applier, installation: Installation, service: Service, *, wait_timeout: float
) -> Installation:
    """Return the installation with the names and addresses that the cluster gives it.

    The server certificate must cover them. `service` is that of the Edge API as it was applied.
    `wait_timeout` is the time in seconds in which a load balancer must get an address; 0 does not
    wait. Raises InstallationError when it gets none, and when the nodes may not be read although
    devices have no other address.
    """
    if installation.service_type == "LoadBalancer":
        found = await _wait_for_balancer(applier, installation, service, wait_timeout=wait_timeout)
    elif installation.service_type == "NodePort" and not installation.server_names:
        found = await _read_node_names(applier, needed=not installation.ingress_hosts)
    else:
        found = ()
    return dataclasses.replace(installation, found_names=found)


async def detect_openshift(applier: Applier, installation: Installation) -> Installation:
    """Return the installation adapted to OpenShift if the cluster runs it."""
    return dataclasses.replace(
        installation,
        openshift=installation.openshift or await _has_openshift_storage(applier),
        assigned_users=installation.assigned_users or await _assigns_users(applier),
    )


async def _has_openshift_storage(applier: Applier) -> bool:
    """Tell whether its namespace exists and stays, so that roles can be bound in it."""
    found = await applier.get_or_none(NAMESPACE, names.STORAGE_NAMESPACE)
    return found is not None and not is_being_deleted(found)


async def _assigns_users(applier: Applier) -> bool:
    """Tell whether OpenShift's security context constraints refuse pods that choose their user."""
    try:
        await applier.client.read_json("/apis/security.openshift.io")
    except NotFound:
        return False
    except ApiError as error:
        raise describe_error(error) from error
    return True


async def _wait_for_balancer(
    applier: Applier, installation: Installation, service: Service, *, wait_timeout: float
) -> tuple[str, ...]:
    if applier.check_mode or not wait_timeout:
        return balancer_names(service)

    async def read_names() -> tuple[str, ...]:
        live = await applier.get_or_none(kinds.SERVICE, EDGE_API, installation.namespace)
        return balancer_names(live) if live is not None else ()

    found = await Deadline(wait_timeout).wait_until(read_names)
    if not found:
        raise InstallationError(
            f"Service {installation.namespace}/{EDGE_API} has no address after "
            f"{wait_timeout:.0f} s; the cluster does not seem to have a load balancer: "
            "use service_type=NodePort, or install one"
        )
    return found


def balancer_names(service: Service) -> tuple[str, ...]:
    """Return the host names and addresses of a load balancer."""
    entries = (status_of(service).get("loadBalancer") or {}).get("ingress") or ()
    found = [item for entry in entries for item in (entry.get("hostname"), entry.get("ip"))]
    return tuple(item for item in found if item)


async def _read_node_names(applier: Applier, *, needed: bool) -> tuple[str, ...]:
    """Return the addresses of the nodes.

    Empty when they may not be read and are not needed, because devices have another address.
    """
    try:
        nodes = await applier.client.list(kinds.NODE)
    except Forbidden as error:
        if not needed:
            return ()
        raise InstallationError(
            "You may not read the addresses of the nodes, to which devices connect; "
            f"set server_names, or {ASK}"
        ) from error
    except ApiError as error:
        raise describe_error(error, "nodes") from error
    return node_names(nodes)


def node_names(nodes: Iterable[Node]) -> tuple[str, ...]:
    """Return the addresses of all nodes, external ones before internal ones, each once."""
    ordered = sorted(nodes, key=name_of)
    found: list[str] = []
    for wanted in ("ExternalIP", "InternalIP"):
        for node in ordered:
            addresses = status_of(node).get("addresses") or ()
            found += [item["address"] for item in addresses if item["type"] == wanted]
    return tuple(dict.fromkeys(found))


def edge_api_endpoint(installation: Installation) -> str:
    """Return `host:port` for devices; empty while a load balancer has no address."""
    if installation.ingress_hosts:
        return f"{installation.ingress_hosts[0]}:{HTTPS}"
    if lacks_address(installation):
        return ""
    name = installation.certificate_names[0]
    host = f"[{name}]" if ":" in name else name
    node_port = installation.service_type == "NodePort"
    return f"{host}:{installation.node_port if node_port else DEVICE_PORT}"


def lacks_address(installation: Installation) -> bool:
    """Tell whether devices cannot connect yet, because the load balancer has no address."""
    known = (*installation.server_names, *installation.ingress_hosts, *installation.found_names)
    return installation.service_type == "LoadBalancer" and not known
