"""The RBAC roles of `roles.yaml`: the permissions of each component, evaluated as in Kubernetes.

As a table: docs/architecture.md#security-boundaries.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources

from flotta.resources.objects.core import PolicyRule
from flotta.yaml_loader import load_yaml

MASTERS = "system:masters"


@dataclass(frozen=True)
class Rule:
    """Verbs on resources.

    Without namespaces it covers every namespace and the cluster scope, without names every name.
    With excepted namespaces it covers neither those nor the cluster scope, which includes them.
    """

    groups: frozenset[str]
    resources: frozenset[str]
    verbs: frozenset[str]
    namespaces: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    except_namespaces: frozenset[str] = frozenset()
    except_true: frozenset[str] = frozenset()  # dotted paths of fields

    @classmethod
    def of(cls, entry: Mapping[str, Sequence[str]]) -> Rule:
        """Return the rule of an entry of `roles.yaml`."""
        return cls(
            frozenset(entry["apiGroups"]),
            frozenset(entry["resources"]),
            frozenset(entry["verbs"]),
            frozenset(entry.get("namespaces", ())),
            frozenset(entry.get("resourceNames", ())),
            frozenset(entry.get("exceptNamespaces", ())),
            frozenset(entry.get("exceptTrue", ())),
        )

    def allows(self, verb: str, group: str, resource: str, namespace: str, name: str) -> bool:
        """Tell whether this rule allows a request; an empty namespace is the cluster scope."""
        return (
            verb in self.verbs
            and group in self.groups
            and resource in self.resources
            and self.covers(namespace)
            and (not self.names or name in self.names)
        )

    def covers(self, namespace: str) -> bool:
        """Tell whether the rule is for this namespace; an empty one is the cluster scope."""
        if self.except_namespaces and (not namespace or namespace in self.except_namespaces):
            return False
        return not self.namespaces or namespace in self.namespaces

    def refused_fields(self, obj: object, old: object = None) -> list[str]:
        """Return the fields that a write sets, but must not set by this rule."""
        return sorted(
            path for path in self.except_true if _value_at(obj, path) and not _value_at(old, path)
        )

    def in_rbac(self) -> PolicyRule:
        """Return the rule as an entry of a Kubernetes Role, and of a SubjectRulesReview."""
        entry: PolicyRule = {
            "verbs": sorted(self.verbs),
            "apiGroups": sorted(self.groups),
            "resources": sorted(self.resources),
        }
        if self.names:
            entry["resourceNames"] = sorted(self.names)
        return entry


@dataclass(frozen=True)
class Role:
    """A named list of rules and the users that have the role."""

    name: str
    users: frozenset[str]
    rules: tuple[Rule, ...]


class Authorizer:
    """Authorizes requests by roles.

    A request is denied unless a rule allows it or the user is in the group system:masters.
    """

    def __init__(self, roles: Iterable[Role]) -> None:
        self.roles = tuple(roles)
        self._rules: dict[str, list[Rule]] = {}
        for role in self.roles:
            for user in role.users:
                self._rules.setdefault(user, []).extend(role.rules)

    @classmethod
    def load(cls) -> Authorizer:
        """Read the roles in the package."""
        text = (resources.files("flotta.resources") / "roles.yaml").read_text(encoding="utf-8")
        return cls(
            Role(
                entry["name"],
                frozenset(entry["users"]),
                tuple(Rule.of(rule) for rule in entry["rules"]),
            )
            for entry in load_yaml(text)
        )

    def allowed(
        self,
        user: str,
        groups: Sequence[str],
        verb: str,
        group: str,
        resource: str,
        namespace: str = "",
        name: str = "",
        subresource: str = "",
    ) -> bool:
        """Tell whether `user` may do `verb`; an empty namespace is the cluster scope."""
        if MASTERS in groups:
            return True
        full = f"{resource}/{subresource}" if subresource else resource
        rules = self._rules.get(user, ())
        return any(rule.allows(verb, group, full, namespace, name) for rule in rules)

    def refused_fields(
        self,
        user: str,
        groups: Sequence[str],
        verb: str,
        group: str,
        resource: str,
        namespace: str,
        obj: object,
        old: object = None,
    ) -> list[str]:
        """Return the fields of an object because of which an allowed write is refused.

        `old` is the object before the write, None if it is created. Empty if one rule that allows
        the request has nothing against the object.
        """
        if MASTERS in groups:
            return []
        allowing = [
            rule.refused_fields(obj, old)
            for rule in self._rules.get(user, ())
            if not rule.names and rule.allows(verb, group, resource, namespace, "")
        ]
        return min(allowing, key=len, default=[])

    def rules(self, user: str, groups: Sequence[str], namespace: str) -> list[PolicyRule]:
        """Return what `user` may do in a namespace, as resourceRules of a SubjectRulesReview."""
        if MASTERS in groups:
            return [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]
        return [rule.in_rbac() for rule in self._rules.get(user, ()) if rule.covers(namespace)]


def _value_at(obj: object, path: str) -> object:
    for part in path.split("."):
        obj = obj.get(part) if isinstance(obj, dict) else None
    return obj


def load() -> Authorizer:
    """Return the authorizer of the package's own roles."""
    return Authorizer.load()
