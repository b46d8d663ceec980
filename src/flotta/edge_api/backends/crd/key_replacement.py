"""Devices that come back with another key, because they keep nothing when they are switched off.

Their batch may let another key take the place of the one before, under the same id and approval
(docs/reference/control-plane.md#devices-that-keep-no-key).
"""

from __future__ import annotations

import logging

from flotta.edge_api.backends.crd.uses import Uses
from flotta.edge_api.batches import Batch
from flotta.edge_api.refusals import Refusal
from flotta.fleet.adoption import former_identity
from flotta.fleet.joining import (
    CERTIFICATE_ANNOTATION,
    FINGERPRINT,
    KEY_ANNOTATION,
    has_joined,
    is_declined,
)
from flotta.fleet.membership import is_of_former_key
from flotta.fleet.quarantine import is_quarantined
from flotta.fleet.registration_batches import BATCH_ANNOTATION
from flotta.identity.peers import Peer
from flotta.own_names import EDGE_API
from flotta.protocol.console_code import console_code
from flotta.protocol.reasons.events import KEY_REPLACED
from flotta.protocol.reasons.refusals import OTHER_KEY
from flotta.resources.client import ApiError, Client
from flotta.resources.kinds import EDGE_DEVICE
from flotta.resources.objects.devices import EdgeDevice, SignedRequest
from flotta.resources.views import annotations_of, is_being_deleted, name_of

log = logging.getLogger(__name__)


def may_replace_key(
    batch: Batch, device: EdgeDevice | None, request: SignedRequest, uses: Uses
) -> bool:
    """Tell whether a batch lets another key take the place of that of a device or its request.

    Only of those that came with this very batch; of a limited one, a device that has joined has to
    hold a use. The batch itself was admitted, so it is neither revoked nor expired.
    """
    specification = batch.specification
    if not specification.allow_key_replacement or is_declined(request):
        return False
    if not _came_with(request, batch):
        return False
    if device is None:
        return True
    if is_being_deleted(device) or is_quarantined(device):
        return False
    if not has_joined(device):
        return True
    is_bound = KEY_ANNOTATION in annotations_of(device) and former_identity(device) is None
    return is_bound and (specification.uses is None or uses.has_use(batch, name_of(device)))


def require_current_key(device: EdgeDevice | None, peer: Peer) -> None:
    """Refuse a device certificate from before another key took the place of its key."""
    if device is not None and is_of_former_key(device, peer):
        raise Refusal(
            403,
            "a device has joined again under this id with another key, as its registration batch "
            "allows, and this certificate is from before that; if two devices use one id, correct "
            "that of one",
            reason=OTHER_KEY,
        )


async def report_replaced(
    client: Client, batch: Batch, device: EdgeDevice, former: str, key: str
) -> None:
    """Write an Event about a device whose key was replaced; both are fingerprints."""
    before = f" {console_code(former)}" if FINGERPRINT.fullmatch(former) else ""
    try:
        await client.record_event(
            device,
            kind=EDGE_DEVICE,
            type_="Normal",
            reason=KEY_REPLACED,
            message=f"The device joined again with another key, code {console_code(key)}, which "
            f"registration batch {batch.name} allows; certificates of the key before"
            f"{before} are refused from now on",
            component=EDGE_API,
        )
    except ApiError as error:
        log.warning("An Event about a replaced key could not be written: %s", error)


def _came_with(request: SignedRequest, batch: Batch) -> bool:
    """Tell whether a request came with this very batch, not only with one of its name."""
    noted = annotations_of(request)
    named = noted.get(BATCH_ANNOTATION) == batch.name
    return named and noted.get(CERTIFICATE_ANNOTATION) in batch.certificates
