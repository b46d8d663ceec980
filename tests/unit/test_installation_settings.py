"""What an administrator may choose, and where devices connect then."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest
from installation_inputs import S3

from flotta.installation.edge_api_endpoint import edge_api_endpoint, node_names
from flotta.installation.settings import Installation

DAMAGED = "-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----\n"

Object = dict[str, Any]


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"server_names": ["192.0.2.7"]}, "192.0.2.7:30043"),
        ({"server_names": ["2001:db8::1"], "node_port": 31000}, "[2001:db8::1]:31000"),
        ({"server_names": ["edge.example"], "service_type": "LoadBalancer"}, "edge.example:8043"),
        ({"service_type": "LoadBalancer"}, ""),
        ({"service_type": "ClusterIP"}, "flotta-edge-api.flotta.svc:8043"),
        ({"ingress": {"host": "edge.example"}, "server_names": ["a.example"]}, "edge.example:443"),
    ],
)
def test_the_endpoint_is_what_devices_use(parameters: Object, expected: str) -> None:
    assert edge_api_endpoint(Installation.from_parameters(parameters)) == expected


@pytest.mark.parametrize(
    ("parameters", "word"),
    [
        ({"namespace": "Flotta"}, "namespace"),
        ({"image": ""}, "image"),
        ({"service_type": "Magic"}, "NodePort"),
        ({"node_port": 70000}, "node_port"),
        ({"edge_api_replicas": 0}, "edge_api_replicas"),
        ({"server_names": ["https://edge.example"]}, "server_names"),
        ({"server_names": ["edge.example:8043"]}, "server_names"),
        ({"registration_namespaces": []}, "registration_namespaces"),
        ({"bucket_for_every_device": True}, "s3"),
        ({"s3": {}}, "device_endpoint"),
        ({"s3": {"device_endpoint": "http://x"}}, "https://HOST:PORT"),
        ({"s3": {"device_endpoint": "https://x:1"}}, "iam_endpoint"),
        ({"s3": {"device_endpoint": "https://x:1#a"}}, "https://HOST:PORT"),
        (
            {"s3": {"device_endpoint": "https://x:1", "region": "a"}, "bucket_storage_class": "b"},
            "iam_endpoint",
        ),
        ({"s3": {**S3, "shared_keys": True}}, "shared_keys"),
        ({"max_concurrent_reconciles": 0}, "max_concurrent_reconciles"),
        ({"s3": {**S3, "secret_key": ""}}, "secret_key"),
        ({"s3": {**S3, "ca_pem": "x"}}, "ca_pem"),
        ({"s3": {**S3, "bucket": "x"}}, "s3.bucket"),
        ({"s3": S3, "bucket_storage_class": "openshift-storage.noobaa.io"}, "leave out s3"),
        ({"ingress": {}}, "ingress.host"),
        ({"network_policy": {"device_networks": ["10.0.0.300/8"]}}, "device_networks"),
        ({"replicas": 3}, "replicas"),
        ({"s3": "https://x"}, "mapping"),
        ({"image": 5}, "text"),
        ({"namespace": 5}, "text"),
        ({"server_names": "edge.example"}, "use a list"),
        ({"registration_namespaces": "default"}, "use a list"),
        ({"auto_approval": "yes"}, "true or false"),
        ({"node_port": True}, "whole number"),
        ({"components": []}, "use a list of edge_api and operator"),
        ({"components": ["edge-api"]}, "use a list of edge_api and operator"),
        ({"backend": "etcd"}, "use crd or remote"),
        ({"backend": "remote"}, "needs remote_backend_url"),
        ({"remote_backend_url": "store:8443"}, "remote_backend_url is 'store:8443'"),
        ({"remote_backend_timeout": "5"}, "use a duration"),
        ({"remote_backend_ca_pem": "x"}, "remote_backend_ca_pem does not"),
        ({"remote_backend_ca_pem": DAMAGED}, "remote_backend_ca_pem does not"),
        ({"s3": {**S3, "ca_pem": DAMAGED}}, "s3.ca_pem does not"),
    ],
)
def test_a_bad_setting_is_refused_in_one_sentence(parameters: Object, word: str) -> None:
    with pytest.raises(ValueError, match=word) as refusal:
        Installation.from_parameters(parameters)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    "rest", ["h:99999", "h/x?y=1", "h:84a3", "[::1", "h/api/other"], ids=lambda rest: rest
)
@pytest.mark.parametrize("scheme", ["https", "ftp"])
def test_a_password_in_a_url_is_not_repeated(scheme: str, rest: str) -> None:
    url = f"{scheme}://admin:hunter2@{rest}"
    for given in ({"remote_backend_url": url}, {"s3": {**S3, "iam_endpoint": url}}):
        with pytest.raises(ValueError, match="user name or password") as refusal:
            Installation.from_parameters(given)
        assert "hunter2" not in str(refusal.value)


def test_unset_parameters_mean_the_default() -> None:
    names = [item.name for item in fields(Installation) if item.name != "found_names"]
    assert Installation.from_parameters(dict.fromkeys(names)) == Installation()


def test_external_addresses_of_nodes_come_first() -> None:
    def node(name: str, **addresses: str) -> Object:
        entries = [{"type": kind, "address": address} for kind, address in addresses.items()]
        return {"metadata": {"name": name}, "status": {"addresses": entries}}

    nodes = [
        node("b", InternalIP="10.0.0.2", Hostname="b"),
        node("a", InternalIP="10.0.0.1", ExternalIP="192.0.2.1"),
    ]
    assert node_names(nodes) == ("192.0.2.1", "10.0.0.1", "10.0.0.2")
