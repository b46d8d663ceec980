"""What the Edge API writes into an EdgeDeviceSignedRequest: pure functions.

See docs/reference/control-plane.md#requests.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from flotta.edge_api.batches import Batch
from flotta.fleet.approval_rules import Applicant, Decision, read_approval, write_approval
from flotta.fleet.joining import (
    CERTIFICATE_ANNOTATION,
    CODE_ANNOTATION,
    KEY_ANNOTATION,
    REQUEST_NAMESPACE,
)
from flotta.fleet.registration_batches import (
    APPROVAL_ANNOTATION,
    APPROVAL_WITHHELD_ANNOTATION,
    BATCH_ANNOTATION,
    SOURCE_ADDRESS_ANNOTATION,
)
from flotta.fleet.self_asserted import BROUGHT_ANNOTATION, write_labels
from flotta.identity.holder import Peer
from flotta.protocol.console_code import console_code
from flotta.resources.changes import change_metadata, change_spec
from flotta.resources.objects.devices import Features, SignedRequest, SignedRequestSpec
from flotta.resources.objects.meta import MergePatch
from flotta.resources.views import annotations_of, spec_of

# Annotations that the Edge API alone writes, as of the last enrolment before the decision.
NOTED = (
    CERTIFICATE_ANNOTATION,
    BATCH_ANNOTATION,
    SOURCE_ADDRESS_ANNOTATION,
    APPROVAL_ANNOTATION,
    APPROVAL_WITHHELD_ANNOTATION,
)


@dataclass(frozen=True)
class Enrolment:
    """A device that a batch admits, and what it says about itself."""

    peer: Peer
    batch: Batch
    applicant: Applicant
    namespace: str
    features: Features | None
    labels: Mapping[str, str] = field(default_factory=dict)  # that the batch lets it bring along
    ignored_labels: Mapping[str, str] = field(default_factory=dict)  # causes by key
    former_key: str = ""  # of the request, whose place its batch lets its key take


def request_namespace(request: SignedRequest) -> str:
    """Return the namespace that the device joins."""
    return spec_of(request).get("targetNamespace") or REQUEST_NAMESPACE


def is_made_by_hand(request: SignedRequest) -> bool:
    """Tell whether no device came with the request: a person made it, or an agent of v0.2."""
    noted = annotations_of(request)
    return BATCH_ANNOTATION not in noted and CERTIFICATE_ANNOTATION not in noted


def is_of_batch(request: SignedRequest, peer: Peer, batch: Batch) -> bool:
    """Tell whether the device of a request came with this batch.

    Requests of earlier releases name the certificate alone.
    """
    noted = annotations_of(request)
    if BATCH_ANNOTATION in noted:
        return noted[BATCH_ANNOTATION] == batch.name
    return noted.get(CERTIFICATE_ANNOTATION) == peer.fingerprint


def lists_device(enrolment: Enrolment) -> bool:
    """Tell whether the batch lists the id itself, not by a pattern."""
    ids = enrolment.batch.specification.device_ids
    return ids is not None and enrolment.applicant.device_id in ids.listed


def new_request(enrolment: Enrolment, decision: Decision, now: datetime) -> SignedRequest:
    """Return the request of a device about which the rule of its batch decided so."""
    batch, applicant = enrolment.batch, enrolment.applicant
    noted = {
        CERTIFICATE_ANNOTATION: enrolment.peer.fingerprint,
        BATCH_ANNOTATION: batch.name,
        **_key_notes(applicant.key_fingerprint),
        SOURCE_ADDRESS_ANNOTATION: applicant.source_address,
        APPROVAL_ANNOTATION: (
            write_approval(batch.name, batch.uid, decision, now) if decision.approves else ""
        ),
        APPROVAL_WITHHELD_ANNOTATION: decision.withheld,
        BROUGHT_ANNOTATION: write_labels(enrolment.labels),
    }
    spec: SignedRequestSpec = {"targetNamespace": enrolment.namespace, "approved": False}
    if batch.specification.target_set:
        spec["targetSet"] = batch.specification.target_set
    if labels := {**enrolment.labels, **batch.specification.labels}:
        spec["labels"] = labels
    if enrolment.features is not None:
        spec["features"] = enrolment.features
    return {
        "metadata": {
            "name": applicant.device_id,
            "namespace": REQUEST_NAMESPACE,
            "annotations": {key: text for key, text in noted.items() if text},
        },
        "spec": spec,
    }


def bind_request(request: SignedRequest, key_fingerprint: str) -> MergePatch:
    """Return the patch that gives a request without a key this one, empty for none."""
    if not key_fingerprint or KEY_ANNOTATION in annotations_of(request):
        return {}
    return change_metadata({"annotations": {**_key_notes(key_fingerprint)}})


def rebind_request(
    request: SignedRequest, enrolment: Enrolment, decision: Decision, now: datetime
) -> MergePatch:
    """Return the patch that gives a decided request another key, and what that one's device says.

    Who decided stays; of a rule, the evidence is that about the present device.
    """
    noted = annotations_of(new_request(enrolment, decision, now))
    changed: dict[str, str | None] = {
        SOURCE_ADDRESS_ANNOTATION: noted.get(SOURCE_ADDRESS_ANNOTATION),
        **_key_notes(enrolment.applicant.key_fingerprint),
    }
    if APPROVAL_ANNOTATION in annotations_of(request) and APPROVAL_ANNOTATION in noted:
        changed[APPROVAL_ANNOTATION] = noted[APPROVAL_ANNOTATION]
    described = _describe_again(request, enrolment.features)
    return {**change_metadata({"annotations": changed}), **described}


def refresh_request(
    request: SignedRequest, wanted: SignedRequest, *, moves: bool = False
) -> MergePatch:
    """Return the patch that makes a request that waits the one that would be new now.

    Empty for none. The spec changes only if the request moves to another batch or namespace: what
    an administrator changed stays. One of an earlier release gets what its batch gives.
    """
    known, new = annotations_of(request), annotations_of(wanted)
    changed: dict[str, str | None] = {
        key: new.get(key) for key in NOTED if known.get(key) != new.get(key)
    }
    if _is_same_approval(known, new):
        changed.pop(APPROVAL_ANNOTATION, None)
    key = new.get(KEY_ANNOTATION, "")
    is_other = bool(key) and key != known.get(KEY_ANNOTATION)
    if is_other or (key and CODE_ANNOTATION not in known):
        changed |= _key_notes(key)
    gets_labels = moves or ("labels" not in spec_of(request) and BATCH_ANNOTATION in changed)
    if gets_labels and known.get(BROUGHT_ANNOTATION) != new.get(BROUGHT_ANNOTATION):
        changed[BROUGHT_ANNOTATION] = new.get(BROUGHT_ANNOTATION)
    patch = change_metadata({"annotations": changed} if changed else {})
    if moves:
        return {**patch, **change_spec(request, spec_of(wanted))}
    if BATCH_ANNOTATION in changed and CERTIFICATE_ANNOTATION in known:
        completed: SignedRequestSpec = {**spec_of(wanted), **spec_of(request)}
        return {**patch, **change_spec(request, completed)}
    if is_other and KEY_ANNOTATION in known:
        return {**patch, **_describe_again(request, spec_of(wanted).get("features"))}
    return patch


def _describe_again(request: SignedRequest, features: Features | None) -> MergePatch:
    """Return the patch that makes a request say of its device what another key's says."""
    spec: SignedRequestSpec = {**spec_of(request)}
    spec.pop("features", None)
    if features is not None:
        spec["features"] = features
    return change_spec(request, spec)


def _key_notes(key_fingerprint: str) -> dict[str, str]:
    """Return the annotations of a request of this key, none for ""."""
    if not key_fingerprint:
        return {}
    return {KEY_ANNOTATION: key_fingerprint, CODE_ANNOTATION: console_code(key_fingerprint)}


def _is_same_approval(known: Mapping[str, str], new: Mapping[str, str]) -> bool:
    """Tell whether the request has this approval, only from another time."""
    before, after = (read_approval(noted.get(APPROVAL_ANNOTATION)) for noted in (known, new))
    if before is None or after is None:
        return False
    return {**before, "at": ""} == {**after, "at": ""}
