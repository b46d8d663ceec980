"""How devices get to the Edge API, and what may get to the pods at all."""

from __future__ import annotations

from typing import Any

from . import names
from .labelled import labelled, selector
from .options import Ingress, NetworkPolicy, Route, ServiceMonitor
from .settings import Installation

Object = dict[str, Any]
# What ingress-nginx reads; the API has no field for it.
PASSTHROUGH = {
    "nginx.ingress.kubernetes.io/ssl-passthrough": "true",
    "nginx.ingress.kubernetes.io/backend-protocol": "HTTPS",
}


def service(installation: Installation) -> Object:
    """Return the Service of the device port; figures and probes are not in it."""
    port: Object = {
        "name": "devices",
        "protocol": "TCP",
        "port": names.DEVICE_PORT,
        "targetPort": "devices",
    }
    if installation.service_type == "NodePort":
        port["nodePort"] = installation.node_port
    spec = {
        "type": installation.service_type,
        "selector": selector(names.EDGE_API),
        "ports": [port],
    }
    return {**labelled(installation, "v1", "Service", names.EDGE_API, names.EDGE_API), "spec": spec}


def options(installation: Installation) -> list[Object]:
    """Return the objects of the optional parts that are chosen."""
    objects: list[Object] = []
    if installation.ingress is not None:
        objects.append(_ingress(installation, installation.ingress))
    if installation.route is not None:
        objects.append(_route(installation, installation.route))
    if installation.network_policy is not None:
        objects += _policies(installation, installation.network_policy)
    if installation.service_monitor is not None:
        objects += _monitoring(installation, installation.service_monitor)
    return objects


def _ingress(installation: Installation, ingress: Ingress) -> Object:
    head = labelled(
        installation,
        "networking.k8s.io/v1",
        "Ingress",
        names.EDGE_API,
        names.EDGE_API,
        annotations={**PASSTHROUGH, **ingress.annotations},
    )
    backend = {"service": {"name": names.EDGE_API, "port": {"name": "devices"}}}
    path = {"path": "/", "pathType": "Prefix", "backend": backend}
    spec: Object = {
        "rules": [{"host": ingress.host, "http": {"paths": [path]}}],
        "tls": [{"hosts": [ingress.host]}],
    }
    if ingress.class_name:
        spec["ingressClassName"] = ingress.class_name
    return {**head, "spec": spec}


def _route(installation: Installation, route: Route) -> Object:
    head = labelled(
        installation,
        "route.openshift.io/v1",
        "Route",
        names.EDGE_API,
        names.EDGE_API,
        labels=route.labels,
    )
    spec = {
        "host": route.host,
        "port": {"targetPort": "devices"},
        "tls": {"termination": "passthrough", "insecureEdgeTerminationPolicy": "None"},
        "to": {"kind": "Service", "name": names.EDGE_API, "weight": 100},
    }
    return {**head, "spec": spec}


def _policies(installation: Installation, policy: NetworkPolicy) -> list[Object]:
    """Return a policy for each program; the kubelet's probes pass any policy."""
    peers = [{"ipBlock": {"cidr": network}} for network in policy.device_networks]
    devices = {"from": peers, "ports": [{"protocol": "TCP", "port": "devices"}]}
    return [
        _policy(installation, names.EDGE_API, [devices, *_figures(policy)]),
        _policy(installation, names.OPERATOR, _figures(policy)),
    ]


def _figures(policy: NetworkPolicy) -> list[Object]:
    if not policy.monitoring_namespace:
        return []
    labels = {"kubernetes.io/metadata.name": policy.monitoring_namespace}
    peer = {"namespaceSelector": {"matchLabels": labels}}
    return [{"from": [peer], "ports": [{"protocol": "TCP", "port": "metrics"}]}]


def _policy(installation: Installation, name: str, allowed: list[Object]) -> Object:
    head = labelled(installation, "networking.k8s.io/v1", "NetworkPolicy", name, name)
    spec = {
        "podSelector": {"matchLabels": selector(name)},
        "policyTypes": ["Ingress"],
        "ingress": allowed,
    }
    return {**head, "spec": spec}


def _monitoring(installation: Installation, monitor: ServiceMonitor) -> list[Object]:
    """Return a ServiceMonitor and the Service it needs, apart from the one that devices reach."""
    component = "flotta-metrics"
    figures = labelled(installation, "v1", "Service", names.METRICS_SERVICE, component)
    head = labelled(
        installation,
        "monitoring.coreos.com/v1",
        "ServiceMonitor",
        names.METRICS_SERVICE,
        component,
        labels=monitor.labels,
    )
    port = {
        "name": "metrics",
        "protocol": "TCP",
        "port": names.METRICS_PORT,
        "targetPort": "metrics",
    }
    endpoint = {"port": "metrics", "path": "/metrics", "interval": monitor.interval}
    return [
        {
            **figures,
            "spec": {"clusterIP": "None", "selector": {names.PART_OF: "flotta"}, "ports": [port]},
        },
        {
            **head,
            "spec": {
                "endpoints": [endpoint],
                "namespaceSelector": {"matchNames": [installation.namespace]},
                "selector": {"matchLabels": selector(component)},
            },
        },
    ]
