"""Enrolment: a device requests to join.

A registration certificate allows little: to request to join, under an id and in a namespace that
its batch admits. Everything here reads the API itself, not the caches: it happens rarely and
decides about certificates. The rules are in docs/reference/control-plane.md#requests.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import cast

from flotta.edge_api.backends.crd.batches import Batches
from flotta.edge_api.backends.crd.pending_requests import PendingRequests
from flotta.edge_api.backends.crd.quarantine import require_released
from flotta.edge_api.backends.crd.requests import (
    Enrolment,
    bind_request,
    new_request,
    refresh_request,
    request_namespace,
)
from flotta.edge_api.backends.crd.unbound_keys import report_unbound
from flotta.edge_api.backends.crd.uses import Uses
from flotta.edge_api.batches import Batch, require_admitted
from flotta.edge_api.refusals import Refusal
from flotta.fleet import hardware
from flotta.fleet.approval_rules import Applicant, Decision, decide
from flotta.fleet.joining import (
    KEY_ANNOTATION,
    REQUEST_NAMESPACE,
    has_joined,
    is_approved,
    is_declined,
)
from flotta.fleet.registration_batches import APPROVAL_ANNOTATION, BATCH_ANNOTATION
from flotta.identity.peers import Peer
from flotta.protocol.models import EnrolmentInfo, Features
from flotta.protocol.reasons.refusals import INVALID_MESSAGE, OTHER_KEY
from flotta.resources.bounds import fit_report
from flotta.resources.cache import Cache
from flotta.resources.changes import as_read
from flotta.resources.client import AlreadyExists, Client, retry_on_conflict
from flotta.resources.kinds import EDGE_DEVICE, SIGNED_REQUEST
from flotta.resources.objects.devices import EdgeDevice, SignedRequest
from flotta.resources.objects.devices import Features as StoredFeatures
from flotta.resources.views import annotations_of, is_being_deleted

FINGERPRINT = re.compile(r"[0-9a-f]{64}")
# Bytes of hardware as JSON in a request, of which thousands may wait. All of it is reported again
# at the registration.
FEATURES_LIMIT = 16 * 1024


class Enrolments:
    """Records requests to join."""

    def __init__(
        self,
        client: Client,
        devices: Cache[EdgeDevice],
        batches: Batches,
        uses: Uses,
        pending: PendingRequests,
    ) -> None:
        self._client = client
        self._devices = devices
        self._batches = batches
        self._uses = uses
        self._pending = pending

    async def enrol(
        self, peer: Peer, device_id: str, info: EnrolmentInfo, source_address: str | None
    ) -> bool:
        """Record that a device requests to join; return whether it may register now."""
        batch = await self._batches.admit(peer)
        enrolment = _read_enrolment(peer, batch, device_id, info, source_address)
        # Else its holder could join under the same id next to its own EdgeDevice.
        for namespace in batch.namespaces:
            require_released(self._devices.get(namespace, device_id))

        async def attempt() -> bool:
            return await self._record(enrolment)

        return await retry_on_conflict(attempt)

    async def _record(self, enrolment: Enrolment) -> bool:
        device_id = enrolment.applicant.device_id
        request = await self._client.get_or_none(SIGNED_REQUEST, device_id, REQUEST_NAMESPACE)
        namespace = request_namespace(request) if request else enrolment.namespace
        device = await self._client.get_or_none(EDGE_DEVICE, device_id, namespace)
        require_released(device)
        if not _has_claim(enrolment, device, request):
            _require_same_key(device, request, enrolment.applicant.key_fingerprint)
        if device is not None and is_being_deleted(device):
            return False
        if request is None:
            return await self._create(enrolment)
        if device is not None and has_joined(device):
            return True
        await self._refresh(enrolment, request)
        return device is not None and is_approved(request)

    async def _create(self, enrolment: Enrolment) -> bool:
        """Create the request; one that another device created first counts."""
        applicant, batch = enrolment.applicant, enrolment.batch
        with self._pending.place(applicant.device_id, enrolment.namespace, batch.name):
            decision = await self._decide(enrolment)
            request = new_request(enrolment, decision, datetime.now(UTC))
            try:
                created = await self._client.create(SIGNED_REQUEST, request)
            except AlreadyExists:
                return await self._record(enrolment)
        if not applicant.key_fingerprint:
            await report_unbound(self._client, batch, created)
        return False

    async def _refresh(self, enrolment: Enrolment, request: SignedRequest) -> None:
        """Bind the request to the key of the device, and ask the rule of its batch again."""
        applicant, batch = enrolment.applicant, enrolment.batch
        patch = bind_request(request, applicant.key_fingerprint)
        if _may_be_decided(enrolment, request):
            if annotations_of(request).get(BATCH_ANNOTATION, batch.name) == batch.name:
                enrolment = replace(enrolment, namespace=request_namespace(request))
            require_admitted(
                batch, applicant.device_id, enrolment.namespace, applicant.key_fingerprint
            )
            decision = await self._decide(enrolment)
            patch = refresh_request(request, new_request(enrolment, decision, datetime.now(UTC)))
        if patch:
            await self._client.merge_patch(
                SIGNED_REQUEST, applicant.device_id, REQUEST_NAMESPACE, as_read(patch, request)
            )

    async def _decide(self, enrolment: Enrolment) -> Decision:
        """Ask the rule of the batch; an approval has a use of the batch."""
        applicant, batch = enrolment.applicant, enrolment.batch
        decision = decide(batch.name, batch.specification, applicant)
        if decision.approves:
            await self._uses.claim(
                batch,
                applicant.device_id,
                {"namespace": enrolment.namespace, "keyFingerprint": applicant.key_fingerprint},
            )
        else:
            self._uses.require_place(batch, applicant.device_id)
        return decision


def _read_enrolment(
    peer: Peer, batch: Batch, device_id: str, info: EnrolmentInfo, source_address: str | None
) -> Enrolment:
    """Return the enrolment of a device that the batch admits; raises Refusal."""
    key = info.public_key_fingerprint
    if key and not FINGERPRINT.fullmatch(key):
        raise Refusal(
            400, "the fingerprint of the key is not a hex SHA-256", reason=INVALID_MESSAGE
        )
    allowed = batch.namespaces
    default = REQUEST_NAMESPACE if REQUEST_NAMESPACE in allowed else allowed[0]
    namespace = info.target_namespace or default
    require_admitted(batch, device_id, namespace, key)
    features = _stored_features(info.features) if info.features else None
    known = cast("Mapping[str, object]", features.get("hardware", {}) if features else {})
    applicant = Applicant(device_id, key, known, source_address)
    return Enrolment(peer, batch, applicant, namespace, features)


def _stored_features(features: Features) -> StoredFeatures:
    stored: StoredFeatures = {"modelName": features.model_name}
    if features.hardware:
        known = hardware.merge_report(None, features.hardware)
        stored["hardware"] = hardware.fit_size(known, FEATURES_LIMIT)
    return fit_report(stored, SIGNED_REQUEST, "spec", "features")


def _has_claim(
    enrolment: Enrolment, device: EdgeDevice | None, request: SignedRequest | None
) -> bool:
    """Tell whether an administrator gave this id to the device, and to no other one so far.

    Who merely came first under the id, with the certificate of another batch, keeps it from nobody
    whose own batch lists the id and approves it.
    """
    if request is None or is_approved(request) or is_declined(request):
        return False
    if device is not None and has_joined(device):
        return False
    applicant, batch = enrolment.applicant, enrolment.batch
    noted, ids = annotations_of(request), batch.specification.device_ids
    if not applicant.key_fingerprint or noted.get(BATCH_ANNOTATION) == batch.name:
        return False
    if APPROVAL_ANNOTATION in noted or ids is None or applicant.device_id not in ids.listed:
        return False
    return decide(batch.name, batch.specification, applicant).approves


def _may_be_decided(enrolment: Enrolment, request: SignedRequest) -> bool:
    """Tell whether the rule of the device's batch may decide about a request.

    It has to wait, and be of this batch, or of this very device, which got another certificate.
    """
    if is_approved(request) or is_declined(request):
        return False
    noted, key = annotations_of(request), enrolment.applicant.key_fingerprint
    bound = noted.get(KEY_ANNOTATION)
    if bound and key:
        return bound == key or _has_claim(enrolment, None, request)
    return not bound and noted.get(BATCH_ANNOTATION, enrolment.batch.name) == enrolment.batch.name


def _require_same_key(
    device: EdgeDevice | None, request: SignedRequest | None, fingerprint: str
) -> None:
    """Refuse another key than the one that registered, or before that, the one that enrolled."""
    owner = device if device is not None and has_joined(device) else request
    bound = annotations_of(owner).get(KEY_ANNOTATION) if owner else None
    if fingerprint and bound and bound != fingerprint:
        raise other_key()


def other_key() -> Refusal:
    """Return the refusal of a key that does not belong to the id."""
    return Refusal(
        403,
        "the key is not the one that enrolled; to accept the new one, delete the "
        "EdgeDeviceSignedRequest, or the EdgeDevice if there is one: then the device can enrol "
        "again",
        reason=OTHER_KEY,
    )
