"""Enrolment: a device requests to join.

A registration certificate allows little: to request to join, under an id and in a namespace that
its batch admits. Everything here reads the API itself, not the caches: it happens rarely and
decides about certificates. The rules are in docs/reference/control-plane.md#requests.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import cast

from flotta.edge_api.backends.crd.batches import Batches
from flotta.edge_api.backends.crd.brought_labels import report_ignored, sort_labels
from flotta.edge_api.backends.crd.decisions import Decisions
from flotta.edge_api.backends.crd.key_replacement import require_replaceable
from flotta.edge_api.backends.crd.ownership import (
    gives_id,
    has_claim,
    has_other_key,
    may_be_decided,
    moves,
    require_admitted_as_requested,
    require_no_former_device,
    require_own_batch,
)
from flotta.edge_api.backends.crd.pending_requests import PendingRequests
from flotta.edge_api.backends.crd.quarantine import require_released
from flotta.edge_api.backends.crd.requests import (
    Enrolment,
    bind_request,
    new_request,
    rebind_request,
    refresh_request,
    request_namespace,
)
from flotta.edge_api.backends.crd.unbound_keys import report_unbound
from flotta.edge_api.backends.crd.uses import Uses
from flotta.edge_api.batches import Batch, require_admitted
from flotta.edge_api.rate_limits import RENEWAL_BURST, RENEWAL_RATE, KeyedBuckets
from flotta.edge_api.refusals import Refusal
from flotta.fleet import hardware
from flotta.fleet.approval_rules import Applicant, decide
from flotta.fleet.joining import (
    FINGERPRINT,
    KEY_ANNOTATION,
    REQUEST_NAMESPACE,
    has_joined,
    is_approved,
    is_decided,
)
from flotta.identity.holder import Peer
from flotta.protocol.models import EnrolmentInfo, Features
from flotta.protocol.reasons.refusals import INVALID_MESSAGE, TOO_MANY_REQUESTS
from flotta.resources.bounds import fit_report
from flotta.resources.cache import Cache
from flotta.resources.changes import as_read
from flotta.resources.client import AlreadyExists, Client, retry_on_conflict
from flotta.resources.kinds import EDGE_DEVICE, SIGNED_REQUEST
from flotta.resources.objects.devices import EdgeDevice, SignedRequest
from flotta.resources.objects.devices import Features as StoredFeatures
from flotta.resources.objects.meta import MergePatch
from flotta.resources.views import annotations_of, is_being_deleted, name_of

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
        decisions: Decisions,
        uses: Uses,
        pending: PendingRequests,
    ) -> None:
        self._client = client
        self._devices = devices
        self._batches = batches
        self._decisions = decisions
        self._uses = uses
        self._pending = pending
        self._replacements = KeyedBuckets(RENEWAL_RATE, RENEWAL_BURST)

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
        if not has_claim(enrolment, device, request):
            enrolment, request = await self._replace_key(enrolment, device, request)
        if device is not None and is_being_deleted(device):
            return False
        if request is None:
            return await self._create(enrolment)
        if device is not None and has_joined(device):
            return True
        await self._refresh(enrolment, request, device)
        return device is not None and is_approved(request)

    async def _replace_key(
        self, enrolment: Enrolment, device: EdgeDevice | None, request: SignedRequest | None
    ) -> tuple[Enrolment, SignedRequest | None]:
        """Refuse another key than that of the id, or let it take that one's place.

        What waits is decided again, and bound to the key at the same time.
        """
        applicant = enrolment.applicant
        if not has_other_key(device, request, applicant.key_fingerprint):
            return enrolment, request
        require_replaceable(enrolment, device, request, self._uses)
        if request is None or annotations_of(request).get(KEY_ANNOTATION) == (
            applicant.key_fingerprint
        ):
            return enrolment, request
        require_admitted_as_requested(
            enrolment.batch, applicant.device_id, request, applicant.key_fingerprint
        )
        self._admit_replacement(enrolment, request)
        if is_decided(request):
            return enrolment, await self._rebind(enrolment, request)
        former = annotations_of(request).get(KEY_ANNOTATION, "")
        return replace(enrolment, former_key=former), request

    def _admit_replacement(self, enrolment: Enrolment, request: SignedRequest) -> None:
        """Refuse (429) another key when there were many for this id just now."""
        key = (request_namespace(request), enrolment.applicant.device_id)
        if not self._replacements.take(key):
            raise Refusal(
                429,
                "this id got other keys too often; if two devices use it, correct that of one",
                reason=TOO_MANY_REQUESTS,
                retry_after=60,
            )

    async def _rebind(self, enrolment: Enrolment, request: SignedRequest) -> SignedRequest:
        """Bind a request to the new key; what was decided about it stays."""
        batch = enrolment.batch
        decision = decide(batch.name, batch.specification, enrolment.applicant)
        patch = as_read(rebind_request(request, enrolment, decision, datetime.now(UTC)), request)
        name = name_of(request)
        return await self._client.merge_patch(SIGNED_REQUEST, name, REQUEST_NAMESPACE, patch)

    async def _create(self, enrolment: Enrolment) -> bool:
        """Create the request; one that another device created first counts."""
        applicant, batch = enrolment.applicant, enrolment.batch
        with self._pending.place(applicant.device_id, enrolment.namespace, batch.name):
            decision = await self._decisions.decide(enrolment)
            request = new_request(enrolment, decision, datetime.now(UTC))
            try:
                created = await self._client.create(SIGNED_REQUEST, request)
            except AlreadyExists:
                return await self._record(enrolment)
        if not applicant.key_fingerprint:
            await report_unbound(self._client, batch, created)
        await report_ignored(self._client, batch, created, enrolment.ignored_labels)
        return False

    async def _refresh(
        self, enrolment: Enrolment, request: SignedRequest, device: EdgeDevice | None
    ) -> None:
        """Ask the rule of its batch again about a request that waits, else bind it to the key."""
        if may_be_decided(enrolment, request):
            patch = await self._decide_again(enrolment, request)
        else:
            patch = _bind(enrolment, request, device)
        if patch:
            await self._client.merge_patch(
                SIGNED_REQUEST, name_of(request), REQUEST_NAMESPACE, as_read(patch, request)
            )

    async def _decide_again(self, enrolment: Enrolment, request: SignedRequest) -> MergePatch:
        applicant, is_moved = enrolment.applicant, moves(enrolment, request)
        if not is_moved:
            require_admitted_as_requested(
                enrolment.batch, applicant.device_id, request, applicant.key_fingerprint
            )
            enrolment = replace(enrolment, namespace=request_namespace(request))
        decision = await self._decisions.decide(enrolment)
        wanted = new_request(enrolment, decision, datetime.now(UTC))
        return refresh_request(request, wanted, moves=is_moved)


def _bind(enrolment: Enrolment, request: SignedRequest, device: EdgeDevice | None) -> MergePatch:
    """Return the patch that binds a request without a key to that of the device, empty for none."""
    if KEY_ANNOTATION in annotations_of(request):
        return {}
    applicant, batch = enrolment.applicant, enrolment.batch
    require_own_batch(request, enrolment.peer, batch)
    if not gives_id(enrolment):
        require_no_former_device(request, device)
    require_admitted_as_requested(batch, applicant.device_id, request, applicant.key_fingerprint)
    return bind_request(request, applicant.key_fingerprint)


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
    brought = sort_labels(batch, info.labels)
    return Enrolment(peer, batch, applicant, namespace, features, brought.taken, brought.ignored)


def _stored_features(features: Features) -> StoredFeatures:
    stored: StoredFeatures = {"modelName": features.model_name}
    if features.hardware:
        known = hardware.merge_report(None, features.hardware)
        stored["hardware"] = hardware.fit_size(known, FEATURES_LIMIT)
    return fit_report(stored, SIGNED_REQUEST, "spec", "features")
