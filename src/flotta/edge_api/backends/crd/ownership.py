"""To whom a request belongs: the key that it is bound to, and the batch that it came with.

The rules are in docs/reference/control-plane.md#requests.
"""

from __future__ import annotations

from flotta.edge_api.backends.crd.requests import (
    Enrolment,
    is_made_by_hand,
    is_of_batch,
    lists_device,
    request_namespace,
)
from flotta.edge_api.batches import Batch, require_admitted
from flotta.edge_api.refusals import Refusal
from flotta.fleet.approval_rules import decide
from flotta.fleet.joining import (
    KEY_ANNOTATION,
    has_joined,
    is_approved,
    is_decided,
    is_registered,
)
from flotta.fleet.registration_batches import APPROVAL_ANNOTATION, BATCH_ANNOTATION
from flotta.identity.holder import Peer
from flotta.protocol.reasons.refusals import NAMESPACE_NOT_ALLOWED, OTHER_KEY
from flotta.resources.objects.devices import EdgeDevice, SignedRequest
from flotta.resources.views import annotations_of

ENROL_AGAIN = "delete the EdgeDeviceSignedRequest: then the device can enrol again"


def gives_id(enrolment: Enrolment) -> bool:
    """Tell whether the batch lists the id of a device that names its key, and approves it."""
    batch, applicant = enrolment.batch, enrolment.applicant
    if not applicant.key_fingerprint or not lists_device(enrolment):
        return False
    return decide(batch.name, batch.specification, applicant).approves


def has_claim(
    enrolment: Enrolment, device: EdgeDevice | None, request: SignedRequest | None
) -> bool:
    """Tell whether an administrator gave this id to the device, and to no other one so far.

    Who merely came first under the id, with the certificate of another batch, keeps it from nobody
    whose own batch lists the id and approves it.
    """
    if request is None or (device is not None and has_joined(device)):
        return False
    noted = annotations_of(request)
    if APPROVAL_ANNOTATION in noted or noted.get(BATCH_ANNOTATION) == enrolment.batch.name:
        return False
    return _is_given(enrolment, request)


def may_be_decided(enrolment: Enrolment, request: SignedRequest) -> bool:
    """Tell whether the rule of the device's batch may decide about a request.

    It has to wait, and be of this batch, or of this very device, which got another certificate.
    """
    if is_decided(request):
        return False
    key, bound = enrolment.applicant.key_fingerprint, annotations_of(request).get(KEY_ANNOTATION)
    if bound:
        is_its_own = bound in (key, enrolment.former_key)
        return bool(key) and (is_its_own or has_claim(enrolment, None, request))
    return _may_take(request, enrolment.peer, enrolment.batch) or has_claim(
        enrolment, None, request
    )


def moves(enrolment: Enrolment, request: SignedRequest) -> bool:
    """Tell whether a request that waits gets set, labels and namespace of this enrolment."""
    bound = annotations_of(request).get(KEY_ANNOTATION)
    if bound and bound not in (enrolment.applicant.key_fingerprint, enrolment.former_key):
        return True
    if not _may_take(request, enrolment.peer, enrolment.batch):
        return True
    is_elsewhere = request_namespace(request) not in enrolment.batch.namespaces
    return is_elsewhere and _is_given(enrolment, request)


def has_other_key(
    device: EdgeDevice | None, request: SignedRequest | None, fingerprint: str
) -> bool:
    """Tell whether another key registered, or before that, enrolled."""
    owner = device if device is not None and has_joined(device) else request
    bound = annotations_of(owner).get(KEY_ANNOTATION) if owner else None
    return bool(fingerprint and bound and bound != fingerprint)


def require_admitted_as_requested(
    batch: Batch, device_id: str, request: SignedRequest, key_fingerprint: str
) -> None:
    """Refuse what the batch does not admit, as `require_admitted`, in the request's namespace."""
    namespace = request_namespace(request)
    if namespace not in batch.namespaces:
        raise Refusal(
            403,
            f"the EdgeDeviceSignedRequest of this id is for namespace {namespace[:64]!r}, which "
            f"registration batch {batch.name} does not allow; use a certificate that does, or "
            f"{ENROL_AGAIN}",
            reason=NAMESPACE_NOT_ALLOWED,
        )
    require_admitted(batch, device_id, namespace, key_fingerprint)


def require_own_batch(request: SignedRequest, peer: Peer, batch: Batch) -> None:
    """Refuse a request without a key to a device of another batch than it came with."""
    if not _may_take(request, peer, batch):
        raise Refusal(
            403,
            "the request of this id names no key, and came with another registration batch; use "
            f"a certificate of that batch, or {ENROL_AGAIN}",
            reason=OTHER_KEY,
        )


def require_no_former_device(request: SignedRequest, device: EdgeDevice | None) -> None:
    """Refuse a request without a key that may be of a device that ran before.

    Such requests of v0.2 name nobody, and restores without status forget that the device joined.
    An approval that made its EdgeDevice was given for the first device that comes.
    """
    if not is_made_by_hand(request) or not is_approved(request):
        return
    if device is not None and is_registered(device) and not has_joined(device):
        raise Refusal(
            403,
            "the request of this id was approved before a device named its key, and its EdgeDevice "
            "may be of a device that ran before (flotta adopt takes that back); for a new device, "
            f"{ENROL_AGAIN}, and needs an approval",
            reason=OTHER_KEY,
        )


def other_key(obstacle: str = "") -> Refusal:
    """Return the refusal of a key that does not belong to the id.

    The obstacle is why its batch does not let it take the place of the former, a sentence without
    its end; "" for a batch that never does.
    """
    why = obstacle or (
        "for devices that keep no key when they are switched off, give their registration batch "
        "allowKeyReplacement"
    )
    return Refusal(
        403,
        "the key is not the one that enrolled; to accept the new one, delete the "
        "EdgeDeviceSignedRequest, or the EdgeDevice if there is one: then the device can enrol "
        f"again; {why}",
        reason=OTHER_KEY,
    )


def _may_take(request: SignedRequest, peer: Peer, batch: Batch) -> bool:
    return is_made_by_hand(request) or is_of_batch(request, peer, batch)


def _is_given(enrolment: Enrolment, request: SignedRequest) -> bool:
    return not is_decided(request) and gives_id(enrolment)
