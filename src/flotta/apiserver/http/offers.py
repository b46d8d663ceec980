"""The methods that a resource and its subresources offer; others are refused."""

from __future__ import annotations

from flotta.apiserver.errors import (
    PlainTextError,
    StatusError,
    bad_request,
    status_details,
    unknown_resource,
)
from flotta.apiserver.http.handlers import Call


def check_offered(call: Call) -> None:
    """Refuse a method that the resource does not offer at this endpoint."""
    # Kubernetes serves custom resources and core kinds by different servers, which refuse unknown
    # paths differently: the former in plain text, the latter by a Status.
    resource, target = call.resource, call.target
    if target.subresource and target.subresource not in resource.subresources:
        raise call.endpoint.not_found() if resource.custom else unknown_resource()
    if resource.namespaced and not target.namespace and target.name:
        raise PlainTextError() if resource.custom else unknown_resource()
    if not resource.namespaced and target.namespace and target.namespace != target.name:
        raise PlainTextError()
    if (
        resource.namespaced
        and not target.namespace
        and target.verb in ("create", "deletecollection")
    ):
        raise PlainTextError() if resource.custom else method_not_allowed(call)
    if resource.custom and target.verb in ("patch", "update") and not target.name:
        raise bad_request("name must be provided")
    if not _offers(call):
        raise method_not_allowed(call)


def _offers(call: Call) -> bool:
    verb, resource = call.target.verb, call.resource
    if call.target.subresource:
        return verb in ("get", "patch", "update") and not (
            call.target.subresource == "finalize" and verb != "update"
        )
    if verb in ("update", "patch") and not call.target.name:
        return False
    return verb in resource.verbs


def method_not_allowed(call: Call) -> StatusError:
    """Return the 405 for a method, worded as for custom resources or core kinds."""
    resource, verb = call.resource, call.target.verb
    if not resource.custom:
        message = "the server does not allow this method on the requested resource"
        return StatusError(405, message, "MethodNotAllowed", {})
    message = f'{verb} is not supported on resources of kind "{resource.qualified}"'
    named = status_details(resource.plural, resource.group, "")
    return StatusError(405, message, "MethodNotAllowed", named)
