"""Who may register, given what the store says (docs/reference/configuration-api.md#joining)."""

from __future__ import annotations

import uuid

from flotta.edge_api.backends.backend import Membership
from flotta.edge_api.backends.remote.applicants import Applicant
from flotta.edge_api.backends.remote.client import DeviceName
from flotta.edge_api.batches import Batch
from flotta.edge_api.refusals import Refusal
from flotta.identity.peers import Peer
from flotta.protocol.configuration_api import RegistrationStatus, Status
from flotta.protocol.reasons.refusals import (
    NOT_APPROVED,
    OTHER_KEY,
    REGISTRATION_BATCH_UNSUPPORTED,
)


def judge_membership(peer: Peer, status: RegistrationStatus) -> Membership:
    """Return the state of a device certificate's holder, with the wish to go as DECOMMISSIONED.

    A certificate of v0.2 has no UID, and is of whichever device has its name.
    """
    if status.status == Status.UNKNOWN.value:
        return Membership.ABSENT
    if status.uid and peer.uid not in (None, status.uid):
        return Membership.REVOKED
    if status.status == Status.UNREGISTERED.value:
        return Membership.DECOMMISSIONED
    return Membership.ACTIVE


def is_known(status: RegistrationStatus, applicant: Applicant | None) -> bool:
    """Tell whether a device registered, or may."""
    is_registered = status.status == Status.REGISTERED.value
    return is_registered or may_join(status, applicant)


def may_join(status: RegistrationStatus, applicant: Applicant | None) -> bool:
    """Tell whether the store approved a device that is not registered.

    A store of v0.2 says it with its answer to the enrolment alone.
    """
    if status.approved is not None:
        return status.approved
    return applicant is not None and applicant.is_approved


def require_may_register(
    batch: Batch, status: RegistrationStatus, applicant: Applicant | None, key_fingerprint: str
) -> None:
    """Refuse a registration with a registration certificate that is not this device's to make.

    404 before it is approved, 403 for another key.
    """
    if status.status == Status.REGISTERED.value:
        _require_registered_key(status, applicant, key_fingerprint)
        return
    if not may_join(status, applicant):
        raise not_approved()
    enrolled = applicant.enrolled_key if applicant else ""
    if enrolled and enrolled != key_fingerprint:
        raise other_key("another key asked to join under this id")
    if (
        not enrolled
        and status.approved is None
        and not batch.specification.allow_without_fingerprint
    ):
        raise other_key("the request to join named no key")


def _require_registered_key(
    status: RegistrationStatus, applicant: Applicant | None, key_fingerprint: str
) -> None:
    known = status.public_key_fingerprint or (applicant.registered_key if applicant else "")
    if not known:
        raise other_key("the device is registered, and the data store does not say with which key")
    if known != key_fingerprint:
        raise other_key("the device is registered with another key")


def require_countable(batch: Batch) -> None:
    """Refuse a batch with a limit that takes counting: no store of this backend does it."""
    uses, ids = batch.specification.uses, batch.specification.device_ids
    if uses is None or (ids is not None and not ids.patterns and len(ids.listed) <= uses):
        return
    raise Refusal(
        403,
        f"registration batch {batch.name} limits its uses to {uses}, which nobody counts with a "
        "remote data store; list the ids of its devices in deviceIDs, without patterns and not "
        "more than uses, or issue a batch without uses",
        reason=REGISTRATION_BATCH_UNSUPPORTED,
    )


def other_key(cause: str) -> Refusal:
    """Return the refusal of a key."""
    return Refusal(
        403,
        f"{cause}; if the device was reinstalled, remove its registration in the data store; "
        "otherwise two devices use one id: correct that of one",
        reason=OTHER_KEY,
    )


def not_approved() -> Refusal:
    """Return the refusal of a device that has to wait."""
    text = "the device is not approved yet; approve it in the data store of this control plane"
    return Refusal(404, text, reason=NOT_APPROVED)


def uid_of(name: DeviceName, status: RegistrationStatus, peer: Peer) -> str:
    """Return the UID in the certificate of a device: the store's, else one that its name gives."""
    own = peer.uid if peer.kind == "device" else None
    return (
        status.uid
        or own
        or str(uuid.uuid5(uuid.NAMESPACE_URL, f"{name.namespace}/{name.device_id}"))
    )
