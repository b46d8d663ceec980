"""Permissions of the components."""

from __future__ import annotations

import pytest

from flotta.resources import crds, kinds
from flotta.resources.roles import Authorizer

OURS = kinds.GROUP
AUTHORIZER = Authorizer.load()


def may(
    user: str, verb: str, group: str, resource: str, namespace: str = "", name: str = ""
) -> bool:
    plural, _, subresource = resource.partition("/")
    return AUTHORIZER.allowed(user, (), verb, group, plural, namespace, name, subresource)


@pytest.mark.parametrize(
    ("verb", "group", "resource", "namespace"),
    [
        ("watch", "", "secrets", ""),
        ("create", "", "secrets", "flotta"),
        ("patch", OURS, "edgedevices/status", "default"),
        ("patch", OURS, "edgedevices", "shop"),
        ("create", OURS, "edgedevicesignedrequest", "default"),
        ("list", OURS, "edgeworkloads", ""),
        ("create", "", "events", "default"),
    ],
)
def test_the_edge_api_may(verb: str, group: str, resource: str, namespace: str) -> None:
    assert may("flotta-edge-api", verb, group, resource, namespace)


@pytest.mark.parametrize(
    ("verb", "group", "resource", "namespace"),
    [
        ("create", "", "secrets", "default"),
        ("update", "", "secrets", ""),
        ("patch", OURS, "edgeworkloads", "default"),
        ("patch", OURS, "edgeworkloads/status", "default"),
        ("create", OURS, "edgedevices", "default"),
        ("delete", OURS, "edgedevices", "default"),
        ("delete", OURS, "edgedevicesignedrequest", "default"),
        ("deletecollection", "", "secrets", "flotta"),
        ("get", "", "secrets", "default"),
        ("delete", "", "secrets", "default"),
        ("update", "coordination.k8s.io", "leases", "flotta"),
        ("list", "", "leases", "flotta"),
        ("create", "", "namespaces", ""),
    ],
)
def test_the_edge_api_may_not(verb: str, group: str, resource: str, namespace: str) -> None:
    assert not may("flotta-edge-api", verb, group, resource, namespace)


def test_the_operator_neither_lists_secrets_nor_creates_workloads() -> None:
    assert may("flotta-operator", "create", "", "secrets", "default")
    assert not may("flotta-operator", "list", "", "secrets", "default")
    assert not may("flotta-operator", "watch", "", "secrets")
    assert not may("flotta-operator", "create", OURS, "edgeworkloads", "default")
    assert not may("flotta-operator", "delete", OURS, "edgeworkloads", "default")
    assert may("flotta-operator", "patch", OURS, "edgeworkloads/status", "default")


@pytest.mark.parametrize("verb", ["get", "create", "patch", "delete"])
@pytest.mark.parametrize("namespace", ["flotta", ""])
def test_the_operator_has_no_right_on_the_keys_of_the_fleet(verb: str, namespace: str) -> None:
    assert not may("flotta-operator", verb, "", "secrets", namespace, "flotta-ca")
    assert may("flotta-operator", verb, "", "secrets", "shop", "till-1")


def test_excepted_namespaces_are_left_out_of_the_rules_of_a_namespace() -> None:
    for namespace, expected in (("flotta", False), ("shop", True)):
        rules = AUTHORIZER.rules("flotta-operator", (), namespace)
        assert any("secrets" in rule["resources"] for rule in rules) is expected


@pytest.mark.parametrize(
    ("spec", "refused"),
    [({"approved": True}, ["spec.approved"]), ({"approved": False}, []), ({}, []), (None, [])],
)
def test_the_edge_api_creates_only_requests_that_are_not_approved(
    spec: object, refused: list[str]
) -> None:
    request = ("create", OURS, "edgedevicesignedrequest", "default", {"spec": spec})
    assert AUTHORIZER.refused_fields("flotta-edge-api", (), *request) == refused
    assert AUTHORIZER.refused_fields("admin", ["system:masters"], *request) == []


def test_the_edge_api_changes_what_is_approved_but_approves_nothing() -> None:
    request = ("patch", OURS, "edgedevicesignedrequest", "default", {"spec": {"approved": True}})
    before: list[object] = [{"spec": {"approved": True}}, {"spec": {"approved": False}}, {}]
    refused = [AUTHORIZER.refused_fields("flotta-edge-api", (), *request, old) for old in before]
    assert refused == [[], ["spec.approved"], ["spec.approved"]]


def test_unknown_users_may_do_nothing_and_masters_everything() -> None:
    assert not may("somebody", "get", OURS, "edgedevices", "default", "till-1")
    assert AUTHORIZER.allowed("somebody", ["system:masters"], "delete", "", "secrets", "flotta")


def test_rules_name_only_resources_that_exist() -> None:
    known = {(kind.group, kind.plural) for kind in kinds.ALL}
    known |= {(crd["spec"]["group"], crd["spec"]["names"]["plural"]) for crd in crds.load()}
    known |= {(kind.group, kind.plural) for kind in (kinds.ROUTE, crds.CRD)}
    named = {
        (group, resource.partition("/")[0])
        for role in AUTHORIZER.roles
        for rule in role.rules
        for group in rule.groups
        for resource in rule.resources
    }
    assert named <= known


def test_the_rules_of_a_namespace_leave_out_those_of_others() -> None:
    rules = AUTHORIZER.rules("flotta-edge-api", (), "default")
    assert {
        "verbs": ["list", "watch"],
        "apiGroups": [""],
        "resources": ["configmaps", "secrets"],
    } in rules
    assert not any("create" in rule["verbs"] for rule in rules if "secrets" in rule["resources"])
