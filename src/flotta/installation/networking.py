"""Networking of the control plane: Service, Ingress, Route, NetworkPolicy and ServiceMonitor."""

from __future__ import annotations

from flotta.installation import kinds, names, objects, options
from flotta.installation.metadata import new_object, selector_labels
from flotta.installation.settings import Installation
from flotta.own_names import DEVICE_PORT, EDGE_API, OPERATOR
from flotta.resources.kinds import ROUTE
from flotta.resources.objects.meta import Manifest, Resource
from flotta.resources.objects.storage import Route

# Annotations of ingress-nginx; the Ingress API has no field for TLS passthrough.
PASSTHROUGH = {
    "nginx.ingress.kubernetes.io/ssl-passthrough": "true",
    "nginx.ingress.kubernetes.io/backend-protocol": "HTTPS",
}


def render_services(installation: Installation) -> list[objects.Service]:
    """Return the Service for devices, if there is an Edge API."""
    return [_render_service(installation)] if EDGE_API in installation.programs else []


def _render_service(installation: Installation) -> objects.Service:
    """Return the Service for devices, without the ports of metrics and probes."""
    port: dict[str, object] = {
        "name": "devices",
        "protocol": "TCP",
        "port": DEVICE_PORT,
        "targetPort": "devices",
    }
    if installation.service_type == "NodePort":
        port["nodePort"] = installation.node_port
    service = new_object(installation, kinds.SERVICE, EDGE_API, EDGE_API)
    service["spec"] = {
        "type": installation.service_type,
        "selector": selector_labels(EDGE_API),
        "ports": [port],
    }
    return service


def render_optional_objects(installation: Installation) -> list[Resource]:
    """Return the objects of the optional parts that the user chose."""
    chosen: list[Resource] = []
    served = EDGE_API in installation.programs
    if served and installation.ingress is not None:
        chosen.append(_render_ingress(installation, installation.ingress))
    if served and installation.route is not None:
        chosen.append(_render_route(installation, installation.route))
    if installation.network_policy is not None:
        chosen += _render_network_policies(installation, installation.network_policy)
    if installation.service_monitor is not None:
        chosen += _render_service_monitor(installation, installation.service_monitor)
    return chosen


def _render_ingress(installation: Installation, ingress: options.Ingress) -> objects.Ingress:
    backend = {"service": {"name": EDGE_API, "port": {"name": "devices"}}}
    path = {"path": "/", "pathType": "Prefix", "backend": backend}
    spec: dict[str, object] = {
        "rules": [{"host": ingress.host, "http": {"paths": [path]}}],
        "tls": [{"hosts": [ingress.host]}],
    }
    if ingress.class_name:
        spec["ingressClassName"] = ingress.class_name
    rendered = new_object(
        installation,
        kinds.INGRESS,
        EDGE_API,
        EDGE_API,
        annotations={**PASSTHROUGH, **ingress.annotations},
    )
    rendered["spec"] = spec
    return rendered


def _render_route(installation: Installation, route: options.Route) -> Route:
    rendered = new_object(installation, ROUTE, EDGE_API, EDGE_API, labels=route.labels)
    rendered["spec"] = {
        "host": route.host,
        "port": {"targetPort": "devices"},
        "tls": {"termination": "passthrough", "insecureEdgeTerminationPolicy": "None"},
        "to": {"kind": "Service", "name": EDGE_API, "weight": 100},
    }
    return rendered


def _render_network_policies(
    installation: Installation, policy: options.NetworkPolicy
) -> list[objects.NetworkPolicy]:
    """Return a policy for each program; probes of the kubelet pass any policy."""
    peers = [{"ipBlock": {"cidr": network}} for network in policy.device_networks]
    devices = {"from": peers, "ports": [{"protocol": "TCP", "port": "devices"}]}
    metrics = _allow_metrics(policy)
    allowed = {EDGE_API: [devices, *metrics], OPERATOR: metrics}
    return [
        _render_network_policy(installation, program, rules)
        for program, rules in allowed.items()
        if program in installation.programs
    ]


def _allow_metrics(policy: options.NetworkPolicy) -> list[Manifest]:
    if not policy.monitoring_namespace:
        return []
    labels = {"kubernetes.io/metadata.name": policy.monitoring_namespace}
    peer = {"namespaceSelector": {"matchLabels": labels}}
    return [{"from": [peer], "ports": [{"protocol": "TCP", "port": "metrics"}]}]


def _render_network_policy(
    installation: Installation, name: str, allowed: list[Manifest]
) -> objects.NetworkPolicy:
    policy = new_object(installation, kinds.NETWORK_POLICY, name, name)
    policy["spec"] = {
        "podSelector": {"matchLabels": selector_labels(name)},
        "policyTypes": ["Ingress"],
        "ingress": allowed,
    }
    return policy


def _render_service_monitor(
    installation: Installation, monitor: options.ServiceMonitor
) -> list[Resource]:
    """Return a ServiceMonitor and its Service, which is not the one for devices.

    Addresses are in docs/reference/metrics.md#addresses.
    """
    scraped = new_object(
        installation,
        kinds.SERVICE_MONITOR,
        names.METRICS_SERVICE,
        names.METRICS_SERVICE,
        labels=monitor.labels,
    )
    scraped["spec"] = {
        "endpoints": [{"port": "metrics", "path": "/metrics", "interval": monitor.interval}],
        "namespaceSelector": {"matchNames": [installation.namespace]},
        "selector": {"matchLabels": selector_labels(names.METRICS_SERVICE)},
    }
    return [_render_metrics_service(installation), scraped]


def _render_metrics_service(installation: Installation) -> objects.Service:
    """Return a headless Service of both programs, because every pod is scraped."""
    port = {
        "name": "metrics",
        "protocol": "TCP",
        "port": names.METRICS_PORT,
        "targetPort": "metrics",
    }
    service = new_object(installation, kinds.SERVICE, names.METRICS_SERVICE, names.METRICS_SERVICE)
    service["spec"] = {
        "clusterIP": "None",
        "selector": {names.PART_OF: "flotta"},
        "ports": [port],
    }
    return service
