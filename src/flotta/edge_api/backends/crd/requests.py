"""What the Edge API writes into an EdgeDeviceSignedRequest: pure functions.

See docs/reference/control-plane.md#requests.
"""

from __future__ import annotations

from datetime import datetime

from flotta.edge_api.batches import Batch
from flotta.fleet.approval_rules import Applicant, Decision, read_approval, write_approval
from flotta.fleet.joining import (
    CERTIFICATE_ANNOTATION,
    KEY_ANNOTATION,
    REQUEST_NAMESPACE,
)
from flotta.fleet.registration_batches import (
    APPROVAL_ANNOTATION,
    APPROVAL_WITHHELD_ANNOTATION,
    BATCH_ANNOTATION,
    SOURCE_ADDRESS_ANNOTATION,
)
from flotta.identity.peers import Peer
from flotta.resources.changes import change_metadata, change_spec
from flotta.resources.objects.devices import SignedRequest, SignedRequestSpec
from flotta.resources.objects.meta import MergePatch
from flotta.resources.views import annotations_of, spec_of


def request_namespace(request: SignedRequest) -> str:
    """Return the namespace that the device joins."""
    return spec_of(request).get("targetNamespace") or REQUEST_NAMESPACE


def new_request(
    peer: Peer,
    batch: Batch,
    applicant: Applicant,
    namespace: str,
    decision: Decision,
    now: datetime,
) -> SignedRequest:
    """Return the request of a device."""
    noted = {**_origin(peer, batch, applicant), **_decided(batch, decision, now)}
    spec = _joining_as({"targetNamespace": namespace, "approved": False}, batch)
    return {
        "metadata": {
            "name": applicant.device_id,
            "namespace": REQUEST_NAMESPACE,
            "annotations": {key: text for key, text in noted.items() if text},
        },
        "spec": spec,
    }


def refreshed_request(
    request: SignedRequest,
    peer: Peer,
    batch: Batch,
    applicant: Applicant,
    decision: Decision | None,
    now: datetime,
) -> MergePatch:
    """Return the patch for a device that enrols again, empty for none.

    A request without a key gets the one of the device. `decision` is that of the batch's rule,
    None when the request is decided, or belongs to another batch or key.
    """
    known = annotations_of(request)
    wanted: dict[str, str | None] = {}
    if applicant.key_fingerprint and KEY_ANNOTATION not in known:
        wanted[KEY_ANNOTATION] = applicant.key_fingerprint
    if decision is not None:
        wanted |= _origin(peer, batch, applicant)
        if not _is_same_approval(known.get(APPROVAL_ANNOTATION), decision):
            wanted |= _decided(batch, decision, now)
    changed = {
        key: text or None for key, text in wanted.items() if known.get(key) != (text or None)
    }
    if not changed:
        return {}
    patch = change_metadata({"annotations": changed})
    if BATCH_ANNOTATION in changed and BATCH_ANNOTATION in known:
        return {**patch, **change_spec(request, _joining_as(spec_of(request), batch))}
    return patch


def _joining_as(spec: SignedRequestSpec, batch: Batch) -> SignedRequestSpec:
    """Return the spec with the set and the labels of a batch."""
    joining: SignedRequestSpec = {**spec}
    joining.pop("targetSet", None)
    joining.pop("labels", None)
    if batch.specification.target_set:
        joining["targetSet"] = batch.specification.target_set
    if batch.specification.labels:
        joining["labels"] = dict(batch.specification.labels)
    return joining


def _origin(peer: Peer, batch: Batch, applicant: Applicant) -> dict[str, str | None]:
    noted: dict[str, str | None] = {
        CERTIFICATE_ANNOTATION: peer.fingerprint,
        BATCH_ANNOTATION: batch.name,
        SOURCE_ADDRESS_ANNOTATION: applicant.source_address,
    }
    if applicant.key_fingerprint:
        noted[KEY_ANNOTATION] = applicant.key_fingerprint
    return noted


def _decided(batch: Batch, decision: Decision, now: datetime) -> dict[str, str | None]:
    approval = write_approval(batch.name, decision, now) if decision.approves else None
    return {
        APPROVAL_ANNOTATION: approval,
        APPROVAL_WITHHELD_ANNOTATION: decision.withheld or None,
    }


def _is_same_approval(text: str | None, decision: Decision) -> bool:
    """Tell whether the request has this approval; only its time differs."""
    known = read_approval(text)
    return (
        known is not None
        and decision.approves
        and known["rule"] == decision.rule
        and tuple(known["evidence"]) == decision.evidence
    )
