"""Who may register, given what the store says (docs/reference/configuration-api.md#joining)."""

from __future__ import annotations

from flotta.edge_api.backends.backend import Membership
from flotta.edge_api.backends.remote.applicants import Applicant
from flotta.edge_api.backends.remote.client import DeviceName
from flotta.edge_api.backends.remote.problems import StoreAnswerInvalid
from flotta.edge_api.batches import Batch
from flotta.edge_api.refusals import Refusal
from flotta.identity.holder import Peer
from flotta.protocol.configuration_api import RegistrationStatus, Status
from flotta.protocol.reasons.refusals import (
    NAMESPACE_NOT_ALLOWED,
    NOT_APPROVED,
    OTHER_KEY,
    REGISTRATION_BATCH_UNSUPPORTED,
)


def judge_membership(peer: Peer, status: RegistrationStatus, new_key: str = "") -> Membership:
    """Return the state of a device certificate's holder, with the wish to go as DECOMMISSIONED.

    `new_key` is the fingerprint of the key of a renewal, whose first response may have been lost.
    """
    if status.status == Status.UNKNOWN.value:
        return Membership.ABSENT
    if not _is_meant(peer, status, new_key):
        return Membership.REVOKED
    if status.status == Status.UNREGISTERED.value:
        return Membership.DECOMMISSIONED
    return Membership.ACTIVE


def _is_meant(peer: Peer, status: RegistrationStatus, new_key: str) -> bool:
    """Tell whether a status is about the holder of a certificate, or a later device of its name.

    A certificate of v0.2 has no UID, and is of whichever device has its name. One whose UID is made
    of the name is from before the store gave any: there the key tells, where the store knows it.
    """
    if not status.uid or peer.uid in (None, status.uid):
        return True
    if peer.uid != DeviceName(peer.namespace, peer.device_id).uid:
        return False
    return status.public_key_fingerprint in ("", peer.public_key_fingerprint, new_key)


def find_contradiction(peer: Peer, status: RegistrationStatus, known_uid: str) -> str:
    """Return why the wish that a device goes cannot be of this device, "" if it can.

    `known_uid` is what the store gave last, "" for none.
    """
    if status.namespace not in ("", peer.namespace):
        return f"of the namespace {status.namespace}"
    if known_uid and status.uid != known_uid:
        return f"with {'another uid' if status.uid else 'no uid'} than before"
    return ""


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


def require_allowed_namespace(batch: Batch, status: RegistrationStatus) -> None:
    """Refuse a registration that the store puts where the batch lets nobody in."""
    if status.namespace and status.namespace not in batch.namespaces:
        raise Refusal(
            403,
            f"the data store has the device in namespace {status.namespace}, and registration "
            f"batch {batch.name} allows {', '.join(batch.namespaces)} alone; correct the data "
            "store, or issue a batch for that namespace",
            reason=NAMESPACE_NOT_ALLOWED,
        )


def require_recorded(name: DeviceName, status: RegistrationStatus, key_fingerprint: str) -> None:
    """Refuse a certificate for what the store acknowledged, and does not say afterwards.

    Raises Refusal when another key came first, StoreAnswerInvalid when nothing is registered.
    """
    if status.status != Status.REGISTERED.value:
        raise StoreAnswerInvalid(
            f"The data store acknowledged the registration of {name.namespace}/{name.device_id}, "
            f"and says then that it is {status.status}; correct the store"
        )
    if status.public_key_fingerprint not in ("", key_fingerprint):
        raise other_key("the data store has registered another key meanwhile")


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
    return status.uid or own or name.uid
