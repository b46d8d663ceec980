# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/installation/errors.py: change that.
"""Errors of the API server as one sentence that says what to do."""

from __future__ import annotations

import re

from ..installation import names
from ..resources.client import ApiError, Conflict, Forbidden, Invalid, Unreachable

ASK = (
    f"ask an administrator of the cluster for the ClusterRole {names.INSTALLER} "
    "(flotta manifests --installer prints it), or use an administrator's kubeconfig"
)
DENIED = re.compile(
    r'User "(?P<user>[^"]*)" cannot (?P<verb>\S+) resource "(?P<resource>[^"]+)" '
    r'in API group "(?P<group>[^"]*)"(?P<place>.*)$'
)
DENIED_BY_POLICY = re.compile(r"denied (the )?request")  # by a webhook, or by rules of the server
QUOTA = "exceeded quota"
TERMINATED = re.compile(r"namespace (\S+) (?:because it )?is being terminated")
GRANTS = "is attempting to grant RBAC permissions not currently held"


TERMINATING = (
    "Namespace {namespace} is being deleted; wait until it is gone and run this again "
    "(kubectl get namespace {namespace} -o yaml shows what blocks it)"
)


class InstallationError(ValueError):
    """The installation cannot continue; the text is one sentence for the user.

    `reason` is the code of a pod's failure or of the server's refusal, "" if there is none.
    """

    def __init__(self, sentence: str, reason: str = "") -> None:
        super().__init__(sentence)
        self.reason = reason


def describe_error(error: ApiError, doing: str = "") -> InstallationError:
    """Return the sentence for an error response of the API server.

    `doing` names the object that was read or written, "" for none.
    """
    if isinstance(error, Unreachable):
        text = (
            f"The Kubernetes API does not respond ({error.message}); check the server's address in "
            "the kubeconfig and the network"
        )
    elif error.status == 401:
        text = (
            "The Kubernetes API does not accept the kubeconfig's credentials; get a new kubeconfig"
        )
    elif DENIED_BY_POLICY.search(error.message):
        what = doing or "an object"
        text = f"A policy of the cluster refuses {what} ({error.message}); ask its administrator"
    elif isinstance(error, Forbidden):
        text = _describe_forbidden(error, doing)
    elif isinstance(error, Conflict):
        text = f"{doing or 'An object'} has fields of another manager: {_describe_managers(error)}"
    elif isinstance(error, Invalid):
        what = doing or "an object"
        text = f"The Kubernetes API refuses {what}: {error.message}{_suggest_port(error)}"
    else:
        text = f"The Kubernetes API answered{f' about {doing}' if doing else ''}: {error.message}"
    return InstallationError(text, error.reason)


def _describe_forbidden(error: Forbidden, doing: str) -> str:
    causes = error.details.get("causes") or []
    if any(cause.get("reason") == "NamespaceTerminating" for cause in causes):
        found = TERMINATED.search(error.message)
        return TERMINATING.format(namespace=found.group(1) if found else "of the object")
    if QUOTA in error.message:
        return (
            f"{doing or 'An object'} exceeds the quota of the namespace ({error.message}); "
            "ask for a larger ResourceQuota, or remove objects that are not needed"
        )
    if GRANTS in error.message:
        user = re.search(r'user "([^"]*)"', error.message)
        who = user.group(1) if user else "The kubeconfig's identity"
        return f"{who} may not grant the permissions that operator and Edge API need; {ASK}"
    denied = DENIED.search(error.message)
    if denied is None:
        return f"The Kubernetes API forbids it ({error.message}); {ASK}"
    group = denied["group"]
    resource = f"{denied['resource']}.{group}" if group else denied["resource"]
    place = denied["place"].strip().replace('"', "").replace("in the namespace", "in namespace")
    return f"{denied['user']} may not {denied['verb']} {resource} {place}; {ASK}"


def _describe_managers(error: Conflict) -> str:
    causes = error.details.get("causes") or []
    if not causes:
        return error.message
    held = sorted(
        {str(cause.get("message", "")).removeprefix("conflict with ") for cause in causes}
    )
    found = ", ".join(cause.get("field", "") for cause in causes[:3])
    return f"{' and '.join(held)} set {found}{' and more' if len(causes) > 3 else ''}"


def _suggest_port(error: Invalid) -> str:
    if "provided port is already allocated" in error.message:
        return "; another Service uses this port: choose another node_port"
    if "not in the valid range" in error.message:
        return "; choose a node_port of that range"
    return ""
