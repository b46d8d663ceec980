"""The Molecule scenario `changed` changes every input that a running site can change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

COLLECTION = Path(__file__).parents[2] / "collections/ansible_collections/flotta/edge"
CHANGED = COLLECTION / "extensions/molecule/changed/inputs"

# What cannot change on a running site of two hosts, by the reason.
UNCHANGED = {
    "another scenario, or another site": {
        "operator_state",
        "operator_delete_data",
        "operator_engine",
        "operator_components",
        "operator_backend",
        "device_state",
        "device_id",
        "device_namespace",
        "device_control_plane_host",
    },
    "for a data store": {
        "operator_remote_backend_url",
        "operator_remote_backend_timeout",
        "operator_remote_backend_ca_pem",
        "operator_configuration_api_listen",
        "operator_configuration_api_port",
    },
    "needs a balancer before the Edge API": {"operator_edge_api_proxy_protocol"},
    "for Kubernetes": {
        "operator_kubernetes_kubeconfig",
        "operator_kubernetes_context",
        "operator_namespace",
        "operator_image",
        "operator_image_pull_policy",
        "operator_image_pull_secrets",
        "operator_edge_api_replicas",
        "operator_replicas",
        "operator_edge_api_resources",
        "operator_resources",
        "operator_service_type",
        "operator_node_port",
        "operator_s3",
        "operator_bucket_storage_class",
        "operator_registration_namespaces",
        "operator_ingress",
        "operator_route",
        "operator_network_policy",
        "operator_service_monitor",
        "operator_wait_timeout",
    },
}


def inputs(role: str) -> dict[str, Any]:
    specs = yaml.safe_load((COLLECTION / f"roles/{role}/meta/argument_specs.yml").read_text())
    return dict(specs["argument_specs"]["main"]["options"])


@pytest.mark.parametrize(
    ("role", "file"), [("operator", "control_plane.yml"), ("device", "devices.yml")]
)
def test_every_input_is_changed_or_cannot_be(role: str, file: str) -> None:
    changed = yaml.safe_load((CHANGED / file).read_text())
    kept = set().union(*UNCHANGED.values())
    named = {name for name in changed if name.startswith(f"{role}_")}
    assert named | (kept & inputs(role).keys()) == inputs(role).keys()
    assert not named & kept


@pytest.mark.parametrize(
    ("role", "file"), [("operator", "control_plane.yml"), ("device", "devices.yml")]
)
def test_no_input_is_changed_to_its_default(role: str, file: str) -> None:
    changed = yaml.safe_load((CHANGED / file).read_text())
    defaults = {name: option.get("default") for name, option in inputs(role).items()}
    same = [name for name, value in changed.items() if defaults.get(name, object()) == value]
    assert same == []
