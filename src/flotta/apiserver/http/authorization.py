"""Permissions: the roles of the package, with the messages of Kubernetes' RBAC.

Rules: docs/reference/resource-api.md#authentication-and-permissions.
"""

from __future__ import annotations

from flotta.apiserver.errors import StatusError, qualified_name, status_details
from flotta.apiserver.http.authn import MASTERS, User
from flotta.apiserver.http.targets import Target
from flotta.apiserver.json_object import JsonObject
from flotta.resources.roles import Authorizer

# What Kubernetes allows by the roles system:public-info-viewer and system:discovery.
PUBLIC_PATHS = ("/version", "/healthz", "/livez", "/readyz")
DISCOVERY_PATHS = (*PUBLIC_PATHS, "/api", "/apis", "/openapi")
REVIEW_GROUPS = {"authorization.k8s.io", "authentication.k8s.io"}


class Authorization:
    """Decides which requests are allowed."""

    def __init__(self, roles: Authorizer) -> None:
        self._roles = roles

    def allows(self, user: User, target: Target) -> bool:
        """Tell whether a user may make a resource request."""
        if MASTERS in user.groups:
            return True
        if user.anonymous:
            return False
        # Every authenticated user may ask about itself: system:basic-user in Kubernetes.
        if target.group in REVIEW_GROUPS and target.verb == "create":
            return True
        return self._roles.allowed(
            user.name,
            user.groups,
            target.verb,
            target.group,
            target.plural,
            target.namespace,
            target.name,
            target.subresource,
        )

    def check(self, user: User, target: Target) -> None:
        """Refuse a resource request with a 403 unless it is allowed."""
        if not self.allows(user, target):
            raise _forbidden_error(user, target)

    def check_write(
        self, user: User, target: Target, new: JsonObject, old: JsonObject | None
    ) -> None:
        """Refuse to set a field that this user must not set, with a 403; one that is set stays."""
        refused = self._roles.refused_fields(
            user.name,
            user.groups,
            target.verb,
            target.group,
            target.plural,
            target.namespace,
            new,
            old,
        )
        if refused:
            error = _forbidden_error(user, target)
            error.message += f" with {' and '.join(refused)} set to true"
            raise error

    def allows_path(self, user: User, path: str) -> bool:
        """Tell whether a user may read a path that is not a resource."""
        if MASTERS in user.groups:
            return True
        paths = PUBLIC_PATHS if user.anonymous else DISCOVERY_PATHS
        return any(path == public or path.startswith(f"{public}/") for public in paths)

    def rules(self, user: User, namespace: str) -> JsonObject:
        """Return what a user may do in a namespace, as SubjectRulesReviewStatus."""
        paths = list(DISCOVERY_PATHS)
        return {
            "resourceRules": self._roles.rules(user.name, user.groups, namespace),
            "nonResourceRules": [{"verbs": ["get"], "nonResourceURLs": paths}],
            "incomplete": False,
        }

    def check_path(self, user: User, method: str, path: str) -> None:
        """Refuse a path that is not a resource with a 403 unless it may be read."""
        if not self.allows_path(user, path):
            verb = {"HEAD": "head"}.get(method, method.lower())
            message = f'forbidden: User "{user.name}" cannot {verb} path "{path}"'
            raise StatusError(403, message, "Forbidden", {})


def _forbidden_error(user: User, target: Target) -> StatusError:
    subject = qualified_name(target.plural, target.group)
    if target.name:
        subject += f' "{target.name}"'
    where = f'in the namespace "{target.namespace}"' if target.namespace else "at the cluster scope"
    message = (
        f'{subject} is forbidden: User "{user.name}" cannot {target.verb} resource '
        f'"{target.resource_and_subresource}" in API group "{target.group}" {where}'
    )
    named = status_details(target.plural, target.group, target.name)
    return StatusError(403, message, "Forbidden", named)
