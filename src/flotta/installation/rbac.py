"""RBAC: the roles of `resources/roles.yaml` as Kubernetes objects, and the role of an installer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby

from flotta.installation import kinds, names
from flotta.installation.metadata import new_object
from flotta.installation.namespace_contents import BUILT_IN
from flotta.installation.objects import Role, ServiceAccount
from flotta.installation.settings import Installation
from flotta.own_names import EDGE_API
from flotta.resources import roles
from flotta.resources.kinds import ALL, GROUP, LEASE, NAMESPACE, Kind
from flotta.resources.objects.core import PolicyRule
from flotta.resources.objects.meta import Resource
from flotta.resources.roles import Rule

OURS = "flotta"  # the name of the installation's namespace in roles.yaml


def render_rbac(installation: Installation) -> list[Resource]:
    """Return ServiceAccounts and each role: a ClusterRole, and a Role in each namespace it names.

    Each is followed by its binding.
    """
    needed = needed_roles(installation)
    users = dict.fromkeys(user for role in needed for user in sorted(role.users))
    objects: list[Resource] = [_render_account(installation, user) for user in users]
    for role in needed:
        everywhere = [rule for rule in role.rules if not rule.namespaces]
        objects += _render_role(installation, role, "", everywhere)
        for namespace in _namespaces(installation, role):
            rules = [rule for rule in role.rules if namespace in rule.namespaces]
            objects += _render_role(
                installation, role, actual_namespace(installation, namespace), rules
            )
    return objects


def needed_roles(installation: Installation) -> list[roles.Role]:
    """Return the roles of the programs; only an operator with an S3 server writes Secrets."""
    without = set() if installation.provisioner is not None else {names.PROVISIONER}
    return [
        _needed_part(installation, role)
        for role in roles.load().roles
        if role.name not in without and not role.users.isdisjoint(installation.programs)
    ]


def _needed_part(installation: Installation, role: roles.Role) -> roles.Role:
    """Return a role with the rules that are needed.

    An Edge API that stores no device in the cluster has its own certificates there, nothing else.
    """
    if installation.backend != "remote" or role.users != {EDGE_API}:
        return role
    return replace(role, rules=tuple(rule for rule in role.rules if rule.namespaces == {OURS}))


def _namespaces(installation: Installation, role: roles.Role) -> list[str]:
    """Return the namespaces of a role's rules that exist: ours, and those of OpenShift on it."""
    named = sorted({namespace for rule in role.rules for namespace in rule.namespaces})
    return [item for item in named if item == OURS or installation.openshift]


def actual_namespace(installation: Installation, namespace: str) -> str:
    """Return the namespace of the cluster that roles.yaml calls by this name."""
    return installation.namespace if namespace == OURS else namespace


def _render_account(installation: Installation, user: str) -> ServiceAccount:
    account = new_object(installation, kinds.SERVICE_ACCOUNT, user, user)
    account["automountServiceAccountToken"] = False
    return account


def _render_role(
    installation: Installation, role: roles.Role, namespace: str, rules: Sequence[Rule]
) -> list[Resource]:
    """Return a Role, without a namespace a ClusterRole, and its binding to the role's users.

    The users are ServiceAccounts. Without rules the list is empty.
    """
    if not rules:
        return []
    kind = kinds.ROLE if namespace else kinds.CLUSTER_ROLE
    binding_kind = kinds.ROLE_BINDING if namespace else kinds.CLUSTER_ROLE_BINDING
    component = min(role.users)
    rendered = new_object(installation, kind, role.name, component, namespace=namespace)
    rendered["rules"] = [rule.in_rbac() for rule in rules]
    binding = new_object(installation, binding_kind, role.name, component, namespace=namespace)
    binding["roleRef"] = {"apiGroup": kinds.RBAC_GROUP, "kind": kind.kind, "name": role.name}
    binding["subjects"] = [
        {"kind": "ServiceAccount", "namespace": installation.namespace, "name": user}
        for user in sorted(role.users)
    ]
    return [rendered, binding]


def render_installer_role() -> Role:
    """Return the ClusterRole that allows to install, change and uninstall the control plane.

    It allows no more than that. It includes the permissions of the programs, because Kubernetes
    lets users grant only permissions that they have (privilege escalation prevention).
    """
    managed = (*kinds.RENDERED, NAMESPACE, kinds.CRD)
    rules: list[PolicyRule] = [
        _rule(group, members, ("get", "list", "create", "patch", "delete"))
        for group, members in groupby(sorted(managed, key=_group_of), key=_group_of)
    ]
    rules += [
        _rule("", (kinds.POD, kinds.NODE), ("get", "list")),
        {"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]},
        _rule("apps", (kinds.REPLICA_SET,), ("get", "list")),
        *(_allow_listing(group, plurals) for group, plurals in BUILT_IN.items()),
        _rule(LEASE.group, (LEASE,), ("get", "delete")),
        {
            "apiGroups": [GROUP, "objectbucket.io"],
            "resources": [*_fleet_plurals(), "objectbucketclaims"],
            "verbs": ["get", "list", "patch", "delete"],
        },
    ]
    granted = [rule.in_rbac() for role in roles.load().roles for rule in role.rules]
    return {
        "apiVersion": kinds.CLUSTER_ROLE.api_version,
        "kind": kinds.CLUSTER_ROLE.kind,
        "metadata": {"name": names.INSTALLER},
        "rules": [*rules, *_drop_duplicates(granted)],
    }


def _fleet_plurals() -> list[str]:
    return sorted(kind.plural for kind in ALL if kind.group == GROUP)


def _group_of(kind: Kind[Resource]) -> str:
    return kind.group


def _rule(group: str, members: Iterable[Kind[Resource]], verbs: Sequence[str]) -> PolicyRule:
    return {
        "apiGroups": [group],
        "resources": sorted({kind.plural for kind in members}),
        "verbs": list(verbs),
    }


def _allow_listing(group: str, plurals: Iterable[str]) -> PolicyRule:
    return {"apiGroups": [group], "resources": sorted(plurals), "verbs": ["list"]}


def _drop_duplicates(rules: Iterable[PolicyRule]) -> list[PolicyRule]:
    seen: list[PolicyRule] = []
    for rule in rules:
        if rule not in seen:
            seen.append(rule)
    return seen
