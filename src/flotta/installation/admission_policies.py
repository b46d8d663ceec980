"""ValidatingAdmissionPolicies: the exceptions of `resources/roles.yaml`, which RBAC cannot express.

They refuse writes only, because Kubernetes asks no policy about reads (Kubernetes documentation,
"Validating Admission Policy"). A policy knows its user by the ServiceAccount's name.
"""

from __future__ import annotations

from collections.abc import Sequence

from flotta.installation import kinds
from flotta.installation.metadata import new_object
from flotta.installation.rbac import actual_namespace, needed_roles
from flotta.installation.settings import Installation
from flotta.installation.warning_policy import render_warning_policy
from flotta.own_names import OPERATOR
from flotta.resources.objects.meta import Manifest, Resource
from flotta.resources.roles import Role, Rule

OPERATIONS = {"create": "CREATE", "update": "UPDATE", "patch": "UPDATE", "delete": "DELETE"}
REFUSAL = "Forbidden"  # the reason of a refused request, as by RBAC; 422 without it
NAMESPACE_NAME = "kubernetes.io/metadata.name"  # the label that Kubernetes sets on each namespace


def render_admission_policies(installation: Installation) -> list[Resource]:
    """Return a policy and its binding for each rule with an exception, and those that warn."""
    rendered: list[Resource] = []
    roles = needed_roles(installation)
    for role in roles:
        others = [rule for other in roles if other.users & role.users for rule in other.rules]
        for rule in role.rules:
            if rule.except_namespaces:
                rendered += _render(installation, role, rule, _except_namespaces(rule, others))
            if rule.except_true:
                rendered += _render(installation, role, rule, _except_true(rule))
    if OPERATOR in installation.programs:
        rendered += render_warning_policy(installation)
    return rendered


def _render(
    installation: Installation, role: Role, rule: Rule, spec: Manifest
) -> tuple[Resource, Resource]:
    """Return the policy for the users of a role, and its binding."""
    name, component = f"{role.name}-{min(rule.resources)}", min(role.users)
    policy = new_object(installation, kinds.ADMISSION_POLICY, name, component)
    accounts = [
        f"system:serviceaccount:{installation.namespace}:{user}" for user in sorted(role.users)
    ]
    condition = {"name": "user", "expression": f"request.userInfo.username in {accounts}"}
    policy["spec"] = {"failurePolicy": "Fail", "matchConditions": [condition], **spec}
    binding = new_object(installation, kinds.ADMISSION_BINDING, name, component)
    binding["spec"] = {
        "policyName": name,
        "validationActions": ["Deny"],
        **_select_namespaces(installation, rule),
    }
    return policy, binding


def _select_namespaces(installation: Installation, rule: Rule) -> Manifest:
    if not rule.except_namespaces:
        return {}
    namespaces = sorted(actual_namespace(installation, item) for item in rule.except_namespaces)
    selector = {"key": NAMESPACE_NAME, "operator": "In", "values": namespaces}
    return {"matchResources": {"namespaceSelector": {"matchExpressions": [selector]}}}


def _except_namespaces(rule: Rule, others: Sequence[Rule]) -> Manifest:
    """Refuse every write but those that another rule allows in these namespaces by name."""
    matched = []
    for resource in sorted(rule.resources):
        allowed = {
            verb
            for other in others
            if other.namespaces & rule.except_namespaces and resource in other.resources
            for verb in other.verbs
        }
        matched += _match(rule, [resource], sorted(rule.verbs - allowed))
    message = "the role excepts this namespace, which holds the keys of the fleet"
    return _spec(matched, "false", message)


def _except_true(rule: Rule) -> Manifest:
    expressions = []
    for path in sorted(rule.except_true):
        before = f"(oldObject != null && {_is_true('oldObject', path)})"
        expressions.append(f"(!({_is_true('object', path)}) || {before})")
    message = f"this user must not set {' or '.join(sorted(rule.except_true))} to true"
    matched = _match(rule, sorted(rule.resources), sorted(rule.verbs))
    return _spec(matched, " && ".join(expressions), message)


def _is_true(variable: str, path: str) -> str:
    """Return the CEL expression for a field that may be missing."""
    parts = [variable, *path.split(".")]
    paths = [".".join(parts[:length]) for length in range(2, len(parts) + 1)]
    return " && ".join([*(f"has({item})" for item in paths), paths[-1]])


def _match(rule: Rule, resources: Sequence[str], verbs: Sequence[str]) -> list[Manifest]:
    operations = sorted({OPERATIONS[verb] for verb in verbs if verb in OPERATIONS})
    if not operations:
        return []
    return [
        {
            "apiGroups": sorted(rule.groups),
            "apiVersions": ["*"],
            "operations": operations,
            "resources": list(resources),
        }
    ]


def _spec(matched: Sequence[Manifest], expression: str, message: str) -> Manifest:
    validation = {"expression": expression, "message": message, "reason": REFUSAL}
    return {
        "matchConstraints": {"resourceRules": list(matched)},
        "validations": [validation],
    }
