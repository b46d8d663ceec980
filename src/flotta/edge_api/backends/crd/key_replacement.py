"""Devices that come back with another key, because they keep nothing when they are switched off.

Their batch may let another key take the place of the one before, under the same id and approval
(docs/reference/control-plane.md#devices-that-keep-no-key).
"""

from __future__ import annotations

import logging
from datetime import datetime

from flotta.edge_api.backends.crd.ownership import other_key
from flotta.edge_api.backends.crd.requests import Enrolment
from flotta.edge_api.backends.crd.uses import Uses
from flotta.edge_api.batches import Batch
from flotta.edge_api.refusals import Refusal
from flotta.fleet.adoption import former_identity
from flotta.fleet.approval_rules import decide
from flotta.fleet.approvals import approving_batch, is_persons
from flotta.fleet.joining import (
    CERTIFICATE_ANNOTATION,
    FINGERPRINT,
    KEY_ANNOTATION,
    KEY_REPLACED_ANNOTATION,
    RENEWED_FROM_ANNOTATION,
    has_joined,
    is_approved,
    is_declined,
)
from flotta.fleet.membership import is_of_former_key
from flotta.fleet.quarantine import is_quarantined
from flotta.fleet.registration_batches import BATCH_ANNOTATION
from flotta.identity.holder import Peer
from flotta.own_names import EDGE_API
from flotta.protocol.console_code import console_code
from flotta.protocol.reasons.events import KEY_REPLACED
from flotta.protocol.reasons.refusals import OTHER_KEY
from flotta.resources.client import ApiError, Client
from flotta.resources.kinds import EDGE_DEVICE
from flotta.resources.objects.devices import EdgeDevice, SignedRequest
from flotta.resources.views import annotations_of, is_being_deleted, name_of
from flotta.rfc3339 import format_time

log = logging.getLogger(__name__)


def require_replaceable(
    enrolment: Enrolment, device: EdgeDevice | None, request: SignedRequest | None, uses: Uses
) -> None:
    """Refuse a key that may not take the place of that of a device or its request.

    What a rule approved, the rule has to approve of the newcomer, too: by what it reports now, and
    from where.
    """
    batch = enrolment.batch
    if request is None or not batch.specification.allow_key_replacement:
        raise other_key()
    if obstacle := find_obstacle(batch, device, request, uses):
        raise other_key(
            f"registration batch {batch.name} does not let this key replace it: {obstacle}"
        )
    if approving_batch(request) is None:
        return
    decision = decide(batch.name, batch.specification, enrolment.applicant)
    if not decision.approves:
        cause = decision.withheld or f"Batch {batch.name} has no rule any more"
        raise other_key(f"a rule approved this id, which has to approve each further key: {cause}")


def find_obstacle(
    batch: Batch, device: EdgeDevice | None, request: SignedRequest, uses: Uses
) -> str:
    """Return why another key may not take the place of that of a device or its request, or "".

    Only of those that came with this very batch; of a limited one, a device that has joined has to
    hold a use. The batch itself was admitted, so it is neither revoked nor expired.
    """
    if not batch.specification.allow_key_replacement:
        return "it has no allowKeyReplacement"
    if is_declined(request):
        return "the request was declined"
    if not _came_with(request, batch):
        return "the request came with another batch, or one of an earlier issue"
    if device is not None and has_joined(device):
        return _find_obstacle_of(device, batch, uses)
    if is_approved(request) and is_persons(request):
        return (
            "a person approved the request for the key that it has, and the device has not "
            "registered with that"
        )
    return "the device is being removed" if device is not None and is_being_deleted(device) else ""


def _find_obstacle_of(device: EdgeDevice, batch: Batch, uses: Uses) -> str:
    """Return why the key of a device that has joined stays, "" for no reason."""
    if is_being_deleted(device):
        return "the device is being removed"
    if is_quarantined(device):
        return "the device is quarantined"
    if KEY_ANNOTATION not in annotations_of(device):
        return "the device registered with an earlier release"
    if former_identity(device) is not None:
        return "the device was adopted, and has not used its new certificate yet"
    if batch.specification.uses is not None and not uses.has_use(batch, name_of(device)):
        return "the device has no use of the batch"
    return ""


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


def note_replacement(now: datetime) -> dict[str, str | None]:
    """Return the annotations of an EdgeDevice whose key was replaced now."""
    return {KEY_REPLACED_ANNOTATION: format_time(now), RENEWED_FROM_ANNOTATION: None}


def renewed_from(device: EdgeDevice, peer: Peer, key_fingerprint: str) -> dict[str, str | None]:
    """Return the annotation about a renewal to this key; none unless a key was replaced before.

    The device uses the certificate that it has until it gets the new one, or if it never does.
    """
    noted, key = annotations_of(device), peer.public_key_fingerprint
    if KEY_REPLACED_ANNOTATION not in noted or key == key_fingerprint:
        return {}
    return {} if noted.get(RENEWED_FROM_ANNOTATION) == key else {RENEWED_FROM_ANNOTATION: key}


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
            f"{before} are refused from now on, but Secrets and the access key of the bucket that "
            "its device got stay valid",
            component=EDGE_API,
        )
    except ApiError as error:
        log.warning("An Event about a replaced key could not be written: %s", error)


def _came_with(request: SignedRequest, batch: Batch) -> bool:
    """Tell whether a request came with this very batch, not only with one of its name."""
    noted = annotations_of(request)
    named = noted.get(BATCH_ANNOTATION) == batch.name
    return named and noted.get(CERTIFICATE_ANNOTATION) in batch.certificates
