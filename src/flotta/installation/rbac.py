"""RBAC: the roles of `resources/roles.yaml` as Kubernetes wants them, and what an installer has to be given."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

from flotta.installation import names
from flotta.installation.metadata import new_object
from flotta.installation.namespace_contents import BUILT_IN
from flotta.installation.settings import Installation
from flotta.resources.kinds import ALL, GROUP, LEASE, NAMESPACE
from flotta.resources.roles import Role, Rule, load

Object = dict[str, Any]
RBAC_GROUP = "rbac.authorization.k8s.io"
VERSION = f"{RBAC_GROUP}/v1"
OURS = "flotta"  # how roles.yaml calls the namespace of the installation


def render_rbac(installation: Installation) -> list[Object]:
    """Return ServiceAccounts and, for each role, a ClusterRole and a Role in each namespace it names."""
    roles = [role for role in load().roles if _is_needed(installation, role)]
    users = dict.fromkeys(user for role in roles for user in sorted(role.users))
    objects: list[Object] = [_render_account(installation, user) for user in users]
    for role in roles:
        everywhere = [rule for rule in role.rules if not rule.namespaces]
        objects += _render_role(installation, role, None, everywhere)
        for namespace in _namespaces(installation, role):
            rules = [rule for rule in role.rules if namespace in rule.namespaces]
            objects += _render_role(
                installation, role, _actual_namespace(installation, namespace), rules
            )
    return objects


def _is_needed(installation: Installation, role: Role) -> bool:
    """Return whether the role is rendered: only who makes buckets has to write Secrets."""
    return role.name != names.PROVISIONER or installation.provisioner is not None


def _namespaces(installation: Installation, role: Role) -> list[str]:
    """Return the namespaces of a role's rules that are there: ours, and those of OpenShift if this is one."""
    named = sorted({namespace for rule in role.rules for namespace in rule.namespaces})
    return [item for item in named if item == OURS or installation.openshift]


def _actual_namespace(installation: Installation, namespace: str) -> str:
    return installation.namespace if namespace == OURS else namespace


def _render_account(installation: Installation, user: str) -> Object:
    account = new_object(installation, "v1", "ServiceAccount", user, user)
    return {**account, "automountServiceAccountToken": False}


def _render_role(
    installation: Installation, role: Role, namespace: str | None, rules: Sequence[Rule]
) -> list[Object]:
    """Return a (Cluster)Role and its binding to the ServiceAccounts of the role's users."""
    if not rules:
        return []
    kind = "Role" if namespace else "ClusterRole"
    component = min(role.users)

    def head(kind: str) -> Object:
        return new_object(installation, VERSION, kind, role.name, component, namespace=namespace)

    account = {"kind": "ServiceAccount", "namespace": installation.namespace}
    return [
        {**head(kind), "rules": [rule.in_rbac() for rule in rules]},
        {
            **head(f"{kind}Binding"),
            "roleRef": {"apiGroup": RBAC_GROUP, "kind": kind, "name": role.name},
            "subjects": [{**account, "name": user} for user in sorted(role.users)],
        },
    ]


def render_installer_role() -> Object:
    """Return the ClusterRole that lets its holder install, change and remove the control plane, no more.

    Kubernetes lets nobody hand out rights that he does not have, so the programs' rights are in it.
    """
    managed = (*names.RENDERED, NAMESPACE, names.CRD)
    rules = [
        _rule(group, kinds, ("get", "list", "create", "patch", "delete"))
        for group, kinds in groupby(sorted(managed, key=_group_of), key=_group_of)
    ]
    rules += [
        _rule("", (names.POD, names.NODE), ("get", "list")),
        {"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]},
        _rule("apps", (names.REPLICA_SET,), ("get", "list")),
        *(
            {"apiGroups": [group], "resources": sorted(plurals), "verbs": ["list"]}
            for group, plurals in BUILT_IN.items()
        ),
        _rule(LEASE.group, (LEASE,), ("get", "delete")),
        {
            "apiGroups": [GROUP, "objectbucket.io"],
            "resources": [*_fleet_plurals(), "objectbucketclaims"],
            "verbs": ["get", "list", "patch", "delete"],
        },
    ]
    granted = [rule.in_rbac() for role in load().roles for rule in role.rules]
    metadata = {"name": names.INSTALLER}
    return {
        "apiVersion": VERSION,
        "kind": "ClusterRole",
        "metadata": metadata,
        "rules": [*rules, *_drop_duplicates(granted)],
    }


def _fleet_plurals() -> list[str]:
    return sorted(kind.plural for kind in ALL if kind.group == GROUP)


def _group_of(kind: Any) -> str:
    group: str = kind.group
    return group


def _rule(group: str, kinds: Iterable[Any], verbs: Sequence[str]) -> Object:
    return {
        "apiGroups": [group],
        "resources": sorted({kind.plural for kind in kinds}),
        "verbs": list(verbs),
    }


def _drop_duplicates(rules: Iterable[Object]) -> list[Object]:
    seen: list[Object] = []
    for rule in rules:
        if rule not in seen:
            seen.append(rule)
    return seen
