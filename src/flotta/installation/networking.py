"""Networking of the control plane: Service, Ingress, Route, NetworkPolicy and ServiceMonitor."""

from __future__ import annotations

from typing import Any

from flotta.installation import names
from flotta.installation.metadata import new_object, selector_labels
from flotta.installation.options import Ingress, NetworkPolicy, Route, ServiceMonitor
from flotta.installation.settings import Installation
from flotta.own_names import EDGE_API, OPERATOR

Object = dict[str, Any]
# What ingress-nginx reads; the API has no field for it.
PASSTHROUGH = {
    "nginx.ingress.kubernetes.io/ssl-passthrough": "true",
    "nginx.ingress.kubernetes.io/backend-protocol": "HTTPS",
}


def render_service(installation: Installation) -> Object:
    """Return the Service of the device port; metrics and probes are not in it."""
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
        "selector": selector_labels(EDGE_API),
        "ports": [port],
    }
    return {
        **new_object(installation, "v1", "Service", EDGE_API, EDGE_API),
        "spec": spec,
    }


def render_optional_objects(installation: Installation) -> list[Object]:
    """Return the objects of the optional parts that are chosen."""
    objects: list[Object] = []
    if installation.ingress is not None:
        objects.append(_render_ingress(installation, installation.ingress))
    if installation.route is not None:
        objects.append(_render_route(installation, installation.route))
    if installation.network_policy is not None:
        objects += _render_network_policies(installation, installation.network_policy)
    if installation.service_monitor is not None:
        objects += _render_service_monitor(installation, installation.service_monitor)
    return objects


def _render_ingress(installation: Installation, ingress: Ingress) -> Object:
    head = new_object(
        installation,
        "networking.k8s.io/v1",
        "Ingress",
        EDGE_API,
        EDGE_API,
        annotations={**PASSTHROUGH, **ingress.annotations},
    )
    backend = {"service": {"name": EDGE_API, "port": {"name": "devices"}}}
    path = {"path": "/", "pathType": "Prefix", "backend": backend}
    spec: Object = {
        "rules": [{"host": ingress.host, "http": {"paths": [path]}}],
        "tls": [{"hosts": [ingress.host]}],
    }
    if ingress.class_name:
        spec["ingressClassName"] = ingress.class_name
    return {**head, "spec": spec}


def _render_route(installation: Installation, route: Route) -> Object:
    head = new_object(
        installation,
        "route.openshift.io/v1",
        "Route",
        EDGE_API,
        EDGE_API,
        labels=route.labels,
    )
    spec = {
        "host": route.host,
        "port": {"targetPort": "devices"},
        "tls": {"termination": "passthrough", "insecureEdgeTerminationPolicy": "None"},
        "to": {"kind": "Service", "name": EDGE_API, "weight": 100},
    }
    return {**head, "spec": spec}


def _render_network_policies(installation: Installation, policy: NetworkPolicy) -> list[Object]:
    """Return a policy for each program; the kubelet's probes pass any policy."""
    peers = [{"ipBlock": {"cidr": network}} for network in policy.device_networks]
    devices = {"from": peers, "ports": [{"protocol": "TCP", "port": "devices"}]}
    return [
        _render_network_policy(installation, EDGE_API, [devices, *_allow_metrics(policy)]),
        _render_network_policy(installation, OPERATOR, _allow_metrics(policy)),
    ]


def _allow_metrics(policy: NetworkPolicy) -> list[Object]:
    if not policy.monitoring_namespace:
        return []
    labels = {"kubernetes.io/metadata.name": policy.monitoring_namespace}
    peer = {"namespaceSelector": {"matchLabels": labels}}
    return [{"from": [peer], "ports": [{"protocol": "TCP", "port": "metrics"}]}]


def _render_network_policy(installation: Installation, name: str, allowed: list[Object]) -> Object:
    head = new_object(installation, "networking.k8s.io/v1", "NetworkPolicy", name, name)
    spec = {
        "podSelector": {"matchLabels": selector_labels(name)},
        "policyTypes": ["Ingress"],
        "ingress": allowed,
    }
    return {**head, "spec": spec}


def _render_service_monitor(installation: Installation, monitor: ServiceMonitor) -> list[Object]:
    """Return a ServiceMonitor and the Service it needs, apart from the one that devices reach."""
    component = "flotta-metrics"
    metrics = new_object(installation, "v1", "Service", names.METRICS_SERVICE, component)
    head = new_object(
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
            **metrics,
            "spec": {"clusterIP": "None", "selector": {names.PART_OF: "flotta"}, "ports": [port]},
        },
        {
            **head,
            "spec": {
                "endpoints": [endpoint],
                "namespaceSelector": {"matchNames": [installation.namespace]},
                "selector": {"matchLabels": selector_labels(component)},
            },
        },
    ]
