"""Changes a device's request to join, for `flotta approve` and `flotta decline`."""

from __future__ import annotations

from flotta.fleet.joining import REQUEST_NAMESPACE
from flotta.resources.client import Client, NotFound
from flotta.resources.kinds import SIGNED_REQUEST
from flotta.resources.objects.devices import SignedRequest
from flotta.resources.objects.meta import MergePatch


async def get_request(client: Client, name: str) -> SignedRequest:
    """Return the request of a device; raises as `patch_request`."""
    try:
        return await client.get(SIGNED_REQUEST, name, REQUEST_NAMESPACE)
    except NotFound as error:
        if not error.reason:  # the kind itself is not known
            raise
        raise _no_request(name) from error


async def patch_request(client: Client, name: str, patch: MergePatch) -> SignedRequest:
    """Change the request of a device; return it.

    Raises ValueError with a sentence when there is no request, ApiError for any other refusal.
    """
    try:
        return await client.merge_patch(SIGNED_REQUEST, name, REQUEST_NAMESPACE, patch)
    except NotFound as error:
        if not error.reason:
            raise
        raise _no_request(name) from error


def _no_request(name: str) -> ValueError:
    return ValueError(f"no device {name} requests to join; list the requests with: flotta status")
