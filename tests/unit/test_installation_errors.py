"""Refusals of the API server that users read, with a remedy."""

from __future__ import annotations

from typing import Any

from flotta.installation.errors import describe_error
from flotta.resources.client import Forbidden


def forbidden(message: str, **details: Any) -> str:
    return str(describe_error(Forbidden(403, "Forbidden", message, details)))


def test_a_missing_permission_names_verb_resource_and_remedy() -> None:
    text = forbidden(
        'deployments.apps "flotta-operator" is forbidden: User "jane" cannot patch resource '
        '"deployments" in API group "apps" in the namespace "flotta"'
    )
    assert text.startswith("jane may not patch deployments.apps in namespace flotta; ")
    assert "ClusterRole flotta-installer" in text


def test_an_installer_without_the_rights_to_hand_out_is_told_so() -> None:
    text = forbidden(
        'clusterroles.rbac.authorization.k8s.io "flotta-operator" is forbidden: user "jane" '
        '(groups=["system:authenticated"]) is attempting to grant RBAC permissions not currently '
        "held:\n{APIGroups"
    )
    assert text.startswith("jane may not grant the permissions")
    assert "\n" not in text


def test_a_quota_and_a_policy_are_not_taken_for_missing_permissions() -> None:
    quota = forbidden('services "x" is forbidden: exceeded quota: few, requested: services=1')
    assert "exceeded quota: few" in quota
    assert "ask for a larger ResourceQuota" in quota
    policy = forbidden('admission webhook "check.example" denied the request: no NodePorts here')
    assert policy.startswith("A policy of the cluster refuses an object (admission webhook")
    for text in (quota, policy):
        assert "ClusterRole" not in text


def test_a_namespace_on_its_way_out_is_named() -> None:
    text = forbidden(
        'roles.rbac.authorization.k8s.io "x" is forbidden: unable to create new content in '
        "namespace storage because it is being terminated",
        causes=[
            {"reason": "NamespaceTerminating", "message": "namespace storage is being terminated"}
        ],
    )
    assert text.startswith("Namespace storage is being deleted; wait until it is gone")
