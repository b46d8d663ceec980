"""Events about devices that join without having named their key, as agents of v0.2 do."""

from __future__ import annotations

import logging

from flotta.edge_api.batches import Batch
from flotta.own_names import EDGE_API
from flotta.protocol.reasons.events import KEY_NOT_BOUND
from flotta.resources.client import ApiError, Client
from flotta.resources.kinds import SIGNED_REQUEST
from flotta.resources.objects.devices import SignedRequest

log = logging.getLogger(__name__)


async def report_unbound(client: Client, batch: Batch, request: SignedRequest) -> None:
    """Write an Event about a request without a key; one that cannot be written is logged."""
    try:
        await client.record_event(
            request,
            kind=SIGNED_REQUEST,
            type_="Warning",
            reason=KEY_NOT_BOUND,
            message="The device enrolled without the fingerprint of its key, which registration "
            f"batch {batch.name} allows: whoever registers first under this id gets the "
            "certificate",
            component=EDGE_API,
        )
    except ApiError as error:
        log.warning("An Event about a device without a key could not be written: %s", error)
