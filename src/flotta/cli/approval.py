"""The request of a device to join, as `flotta approve` and `flotta decline` change it."""

from __future__ import annotations

from typing import Any

from flotta.fleet.joining import REQUEST_NAMESPACE
from flotta.resources.client import Client, NotFound
from flotta.resources.kinds import SIGNED_REQUEST

Object = dict[str, Any]


async def patch_request(client: Client, name: str, patch: Object) -> Object:
    """Change the request of a device; return it. Raises ValueError when there is none."""
    try:
        return await client.merge_patch(SIGNED_REQUEST, name, REQUEST_NAMESPACE, patch)
    except NotFound as error:
        if not error.reason:
            raise
        raise ValueError(f"no device {name} asks to join; see: flotta status") from error
