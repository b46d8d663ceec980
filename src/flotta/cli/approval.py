"""Changes a device's request to join, for people on the command line and in playbooks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from flotta.fleet.joining import DECLINED_ANNOTATION, REQUEST_NAMESPACE, code_of
from flotta.fleet.registration_batches import DECIDED_BY_ANNOTATION
from flotta.printable_text import printable
from flotta.protocol.console_code import is_same_code
from flotta.resources.client import Client, NotFound
from flotta.resources.kinds import SIGNED_REQUEST
from flotta.resources.objects.devices import SignedRequest
from flotta.resources.objects.meta import MergePatch
from flotta.resources.views import name_of

MAX_CODE = 32  # characters of a code that somebody gave


@dataclass(frozen=True)
class Target:
    """What an approved device gets; what is empty stays as its request has it."""

    namespace: str | None = None
    set: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)

    def spec(self) -> MergePatch:
        """Return the part of the request's spec that changes."""
        given = {
            "targetNamespace": self.namespace,
            "targetSet": self.set,
            "labels": dict(self.labels),
        }
        return {name: value for name, value in given.items() if value}


def approve_patch(target: Target, author: str) -> MergePatch:
    """Return the patch that approves a request. `author` is recorded as who decided."""
    notes = {DECLINED_ANNOTATION: None, DECIDED_BY_ANNOTATION: author}
    return {"spec": {"approved": True, **target.spec()}, "metadata": {"annotations": notes}}


def decline_patch(author: str) -> MergePatch:
    """Return the patch that declines a request. `author` is recorded as who decided."""
    notes = {DECLINED_ANNOTATION: "true", DECIDED_BY_ANNOTATION: author}
    return {"spec": {"approved": False}, "metadata": {"annotations": notes}}


def require_code(request: SignedRequest, given: str) -> None:
    """Raise ValueError with a sentence unless the device's key has this code."""
    name, code = name_of(request), code_of(request)
    if not code:
        raise ValueError(
            f"the request of {name} names no key, so it has no code; to approve it all the same, "
            "leave out the code"
        )
    if not is_same_code(code, given):
        raise ValueError(
            f"the request of {name} has the code {code}, not {printable(given, MAX_CODE)}; it is "
            "not approved. Look at the console again: another device may use this id, or this one "
            "was switched on again with another key"
        )


async def get_request(client: Client, name: str) -> SignedRequest:
    """Return the request of a device; raises as `patch_request`."""
    try:
        return await client.get(SIGNED_REQUEST, name, REQUEST_NAMESPACE)
    except NotFound as error:
        if not error.reason:  # the kind itself is not known
            raise
        raise _no_request(name) from error


async def patch_request(
    client: Client, name: str, patch: MergePatch, *, dry_run: bool = False
) -> SignedRequest:
    """Change the request of a device, or try to by a dry run; return it.

    Raises ValueError with a sentence when there is no request, ApiError for any other refusal.
    """
    try:
        return await client.merge_patch(
            SIGNED_REQUEST, name, REQUEST_NAMESPACE, patch, dry_run=dry_run
        )
    except NotFound as error:
        if not error.reason:
            raise
        raise _no_request(name) from error


def _no_request(name: str) -> ValueError:
    return ValueError(f"no device {name} requests to join; list the requests with: flotta status")
