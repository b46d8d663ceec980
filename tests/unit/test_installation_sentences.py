"""What users read: differences without secrets, refusals with a remedy, why pods do not start."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from flotta.installation.differences import change
from flotta.installation.errors import explained
from flotta.installation.troubles import rolled_out, trouble
from flotta.resources.client import Forbidden

Object = dict[str, Any]


def test_a_difference_shows_no_values_of_secrets() -> None:
    def secret(value: str) -> Object:
        data = {"a": base64.b64encode(value.encode()).decode(), "b": "c2FtZQ=="}
        copies = {
            "kubectl.kubernetes.io/last-applied-configuration": f'{{"stringData": {{"a": "{value}"}}}}',
            "example.com/copy": data["a"],
        }
        metadata = {"name": "x", "resourceVersion": value, "annotations": copies}
        head = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata}
        return {**head, "data": data, "stringData": {"a": value}}

    found = change("Secret x", secret("old"), secret("new"))
    assert found is not None
    assert found.after is not None
    assert found.after["data"] == {"a": "(not shown; new)", "b": "(not shown)"}
    shown = (found.before, found.after)
    for value in ("b2xk", "bmV3", "'old'", "'new'", '"old"', '"new"'):
        assert value not in str(shown)
    assert change("Secret x", secret("old"), secret("old")) is None


def test_a_difference_leaves_out_the_copy_that_kubectl_keeps() -> None:
    def config(value: str) -> Object:
        copies = {"kubectl.kubernetes.io/last-applied-configuration": value, "a": "b"}
        return {"kind": "ConfigMap", "metadata": {"name": "x", "annotations": copies}}

    assert change("ConfigMap x", config("old"), config("new")) is None
    found = change("ConfigMap x", config("old"), None)
    assert found is not None
    assert found.before == {
        "kind": "ConfigMap",
        "metadata": {"name": "x", "annotations": {"a": "b"}},
    }


def forbidden(message: str, **details: Any) -> str:
    return str(explained(Forbidden(403, "Forbidden", message, details)))


def test_a_missing_permission_names_verb_resource_and_remedy() -> None:
    text = forbidden(
        'deployments.apps "flotta-operator" is forbidden: User "jane" cannot patch resource "deployments" '
        'in API group "apps" in the namespace "flotta"'
    )
    assert text.startswith("jane may not patch deployments.apps in namespace flotta; ")
    assert "ClusterRole flotta-installer" in text


def test_an_installer_without_the_rights_to_hand_out_is_told_so() -> None:
    text = forbidden(
        'clusterroles.rbac.authorization.k8s.io "flotta-operator" is forbidden: user "jane" '
        '(groups=["system:authenticated"]) is attempting to grant RBAC permissions not currently held:\n{APIGroups'
    )
    assert text.startswith("jane may not hand out the rights")
    assert "\n" not in text


def test_a_quota_and_a_policy_are_not_taken_for_missing_rights() -> None:
    quota = forbidden('services "x" is forbidden: exceeded quota: few, requested: services=1')
    assert "exceeded quota: few" in quota
    assert "ask for a larger ResourceQuota" in quota
    policy = forbidden('admission webhook "check.example" denied the request: no NodePorts here')
    assert policy.startswith("A policy of the cluster refuses an object (admission webhook")
    for text in (quota, policy):
        assert "ClusterRole" not in text


def test_a_namespace_on_its_way_out_is_named() -> None:
    text = forbidden(
        'roles.rbac.authorization.k8s.io "x" is forbidden: unable to create new content in namespace '
        "storage because it is being terminated",
        causes=[
            {"reason": "NamespaceTerminating", "message": "namespace storage is being terminated"}
        ],
    )
    assert text.startswith("Namespace storage is being deleted; wait until it is gone")


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ({"containerStatuses": [{"state": {"waiting": {"reason": "ErrImagePull"}}}]}, "ImagePullBackOff"),
        ({"containerStatuses": [{"state": {"waiting": {"reason": "CrashLoopBackOff"}}}]}, "CrashLoopBackOff"),
        ({"containerStatuses": [{"state": {"terminated": {"reason": "Error"}}}]}, "Error"),
        ({"containerStatuses": [{"state": {"terminated": {"reason": "OOMKilled"}}}]}, "OOMKilled"),
        (
            {"containerStatuses": [{
                "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                "lastState": {"terminated": {"reason": "OOMKilled"}},
            }]},
            "OOMKilled",
        ),
        ({"containerStatuses": [{"state": {"running": {}}, "ready": False}]}, "NotReady"),
        ({"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]}, "Unschedulable"),
        ({}, "Pending"),
    ],
)  # fmt: skip
def test_the_reason_of_a_pod_is_found(status: Object, reason: str) -> None:
    assert trouble({"spec": {}, "status": status})[0] == reason


@pytest.mark.parametrize(
    ("status", "done"),
    [
        ({"replicas": 2, "updatedReplicas": 2, "availableReplicas": 2, "observedGeneration": 3}, True),
        ({"replicas": 2, "updatedReplicas": 2, "availableReplicas": 2, "observedGeneration": 2}, False),
        ({"replicas": 3, "updatedReplicas": 2, "availableReplicas": 2, "observedGeneration": 3}, False),
        ({"replicas": 2, "updatedReplicas": 2, "availableReplicas": 1, "observedGeneration": 3}, False),
        ({}, False),
    ],
)  # fmt: skip
def test_a_rollout_is_done_when_only_new_pods_are_left_and_available(
    status: Object, done: bool
) -> None:
    deployment = {"metadata": {"generation": 3}, "spec": {"replicas": 2}, "status": status}
    assert rolled_out(deployment) is done
