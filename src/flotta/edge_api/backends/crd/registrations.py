"""Registration: a device that was approved gets its certificate.

With a registration certificate a device may complete its first registration, with the key that
enrolled, or repeat it with the very same key (the response was lost). Everything here reads the API
itself, not the caches. The rules are in docs/reference/control-plane.md#registration.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from flotta.edge_api.backends.backend import RecordedRegistration
from flotta.edge_api.backends.crd.batches import Batches
from flotta.edge_api.backends.crd.key_replacement import (
    find_obstacle,
    note_replacement,
    renewed_from,
    report_replaced,
    require_current_key,
)
from flotta.edge_api.backends.crd.ownership import (
    other_key,
    require_admitted_as_requested,
    require_no_former_device,
    require_own_batch,
)
from flotta.edge_api.backends.crd.quarantine import require_released
from flotta.edge_api.backends.crd.requests import request_namespace
from flotta.edge_api.backends.crd.unbound_keys import report_unbound
from flotta.edge_api.backends.crd.uses import Uses
from flotta.edge_api.batches import Batch
from flotta.edge_api.refusals import Refusal
from flotta.fleet import hardware, presence
from flotta.fleet.approvals import approving_batch
from flotta.fleet.former_labels import record_change, settle
from flotta.fleet.joining import (
    KEY_ANNOTATION,
    REQUEST_NAMESPACE,
    UNREGISTERED_LABEL,
    has_joined,
    is_approved,
)
from flotta.fleet.registration_batches import UseFields
from flotta.fleet.self_asserted import change_labels
from flotta.identity.holder import Peer
from flotta.protocol.hardware import HardwareInfo
from flotta.protocol.models import RegistrationInfo
from flotta.protocol.reasons.refusals import (
    ALREADY_REGISTERED,
    DEVICE_LEAVING,
    KEY_FINGERPRINT_MISSING,
    NOT_APPROVED,
    NOT_ENROLLED,
)
from flotta.resources.cache import Cache
from flotta.resources.changes import MetadataChange, as_read, change_metadata, change_status
from flotta.resources.client import Client, retry_on_conflict
from flotta.resources.kinds import EDGE_DEVICE, SIGNED_REQUEST, WITHHELD_ANNOTATION
from flotta.resources.objects.devices import EdgeDevice, EdgeDeviceStatus, SignedRequest
from flotta.resources.views import (
    annotations_of,
    is_being_deleted,
    labels_of,
    name_of,
    namespace_of,
    status_of,
    uid_of,
)


class _Attempt(NamedTuple):
    """A registration that was recorded; `former` is the key whose place its key took, else ""."""

    recorded: RecordedRegistration
    request: SignedRequest
    device: EdgeDevice
    former: str


class Registrations:
    """Records registrations."""

    def __init__(
        self, client: Client, devices: Cache[EdgeDevice], batches: Batches, uses: Uses
    ) -> None:
        self._client = client
        self._devices = devices
        self._batches = batches
        self._uses = uses

    async def register(
        self, peer: Peer, device_id: str, info: RegistrationInfo, key_fingerprint: str
    ) -> RecordedRegistration:
        """Record hardware, labels and key of a device before its certificate is issued."""
        if peer.kind == "device":
            return await self._register_again(peer, device_id, info, key_fingerprint)
        batch = await self._batches.admit(peer)
        for namespace in batch.namespaces:
            require_released(self._devices.get(namespace, device_id))

        async def attempt() -> _Attempt:
            request = await self._read_request(device_id)
            require_admitted_as_requested(batch, device_id, request, key_fingerprint)
            device = await self._read(device_id, request_namespace(request))
            former = ""
            if not has_joined(device):
                _require_may_join(peer, batch, device, request, key_fingerprint)
                await self._count(batch, request, key_fingerprint)
            elif self._replaces_key(batch, device, request, key_fingerprint):
                former = annotations_of(device)[KEY_ANNOTATION]
                await self._count(batch, request, key_fingerprint)
            else:
                _require_same_registration(device, key_fingerprint)
            replaced = note_replacement(datetime.now(UTC)) if former else {}
            recorded = await self._record(device, info, key_fingerprint, replaced)
            return _Attempt(recorded, request, device, former)

        done = await retry_on_conflict(attempt)
        if KEY_ANNOTATION not in annotations_of(done.request):
            await report_unbound(self._client, batch, done.request)
        if done.former:
            await report_replaced(self._client, batch, done.device, done.former, key_fingerprint)
        return done.recorded

    def _replaces_key(
        self, batch: Batch, device: EdgeDevice, request: SignedRequest, key_fingerprint: str
    ) -> bool:
        """Tell whether a key that enrolled may take the place of the one that registered."""
        if annotations_of(device).get(KEY_ANNOTATION) == key_fingerprint:
            return False
        has_enrolled = annotations_of(request).get(KEY_ANNOTATION) == key_fingerprint
        is_let_in = has_enrolled and is_approved(request)
        return is_let_in and not find_obstacle(batch, device, request, self._uses)

    async def _count(self, batch: Batch, request: SignedRequest, key_fingerprint: str) -> None:
        """Require that the approval counts, and give the device a use of its batch."""
        approving = approving_batch(request)
        if approving not in (None, (batch.name, batch.uid)):
            await self._batches.require_unrevoked(*approving)
        fields: UseFields = {
            "namespace": request_namespace(request),
            "keyFingerprint": key_fingerprint,
        }
        use = await self._uses.claim(batch, name_of(request), fields)
        if use is not None:
            await self._uses.hand_over(use, key_fingerprint)

    async def _register_again(
        self, peer: Peer, device_id: str, info: RegistrationInfo, key_fingerprint: str
    ) -> RecordedRegistration:
        """Record a registration with a device certificate, whose membership was checked."""

        async def attempt() -> RecordedRegistration:
            device = await self._read(device_id, peer.namespace)
            require_current_key(device, peer)  # as of now, not as the cache has it
            renewed = renewed_from(device, peer, key_fingerprint)
            return await self._record(device, info, key_fingerprint, renewed)

        return await retry_on_conflict(attempt)

    async def _read_request(self, device_id: str) -> SignedRequest:
        request = await self._client.get_or_none(SIGNED_REQUEST, device_id, REQUEST_NAMESPACE)
        if request is None:
            raise Refusal(
                404,
                "the device has not enrolled: it has no EdgeDeviceSignedRequest; it has to enrol "
                "first",
                reason=NOT_ENROLLED,
            )
        return request

    async def _read(self, device_id: str, namespace: str) -> EdgeDevice:
        device = await self._client.get_or_none(EDGE_DEVICE, device_id, namespace)
        if device is None:
            raise _not_approved()
        require_released(device)
        if is_being_deleted(device):
            raise Refusal(403, "the device is being removed from the fleet", reason=DEVICE_LEAVING)
        return device

    async def _record(
        self,
        device: EdgeDevice,
        info: RegistrationInfo,
        fingerprint: str,
        key_notes: Mapping[str, str | None],
    ) -> RecordedRegistration:
        annotations, before = annotations_of(device), status_of(device).get("hardware")
        is_first = not has_joined(device)
        labels: dict[str, str | None] = {}
        if UNREGISTERED_LABEL in labels_of(device):
            labels[UNREGISTERED_LABEL] = None
        if info.hardware is not None:
            device = await self._record_hardware(device, info.hardware)
        reported = change_labels(device, before, status_of(device).get("hardware"))
        labels |= reported.labels
        former = record_change(device, reported.labels, datetime.now(UTC))
        returns = presence.ready_status(status_of(device)) == "Unknown"
        if not former and info.hardware is not None and not returns:
            alone = hardware.reported_labels(info.hardware)
            former = settle(device, alone, datetime.now(UTC))
        former |= {**reported.annotations, **key_notes}
        recorded = RecordedRegistration(namespace_of(device), uid_of(device))
        if not labels and not former and annotations.get(KEY_ANNOTATION) == fingerprint:
            return recorded
        change: MetadataChange = {
            "labels": labels,
            "annotations": {KEY_ANNOTATION: fingerprint, **former},
        }
        if is_first and info.hardware is None:
            # A new device describes itself; one that joins again by its gateway runs something.
            change["annotations"][WITHHELD_ANNOTATION] = "true"
        patch = as_read(change_metadata(change), device)
        await self._client.merge_patch(EDGE_DEVICE, name_of(device), namespace_of(device), patch)
        return recorded

    async def _record_hardware(self, device: EdgeDevice, report: HardwareInfo) -> EdgeDevice:
        """Write the hardware report of a device and return the changed EdgeDevice."""
        status = status_of(device)
        new: EdgeDeviceStatus = {
            **status,
            "hardware": hardware.merge_report(status.get("hardware"), report),
        }
        if new == status:
            return device
        patch = as_read(change_status(device, new), device)
        return await self._client.merge_patch(
            EDGE_DEVICE, name_of(device), namespace_of(device), patch, "status"
        )


def _require_same_registration(device: EdgeDevice, key_fingerprint: str) -> None:
    if annotations_of(device).get(KEY_ANNOTATION) != key_fingerprint:
        raise Refusal(
            403,
            "the device is registered; only its own certificate can register it again; to let it "
            "join with another key, delete its EdgeDevice",
            reason=ALREADY_REGISTERED,
        )


def _require_may_join(
    peer: Peer, batch: Batch, device: EdgeDevice, request: SignedRequest, key_fingerprint: str
) -> None:
    """Refuse the first registration of a device that is not approved, or has another key."""
    if not is_approved(request):
        raise _not_approved()
    enrolled = annotations_of(request).get(KEY_ANNOTATION)
    if enrolled is None:
        if not batch.specification.allow_without_fingerprint:
            raise Refusal(
                403,
                "the request of the device names no key; the device has to enrol with the field "
                "public_key_fingerprint first",
                reason=KEY_FINGERPRINT_MISSING,
            )
        require_own_batch(request, peer, batch)
        require_no_former_device(request, device)
    if enrolled not in (None, key_fingerprint):
        raise other_key()


def _not_approved() -> Refusal:
    return Refusal(404, "the device is not approved yet; approve its request", reason=NOT_APPROVED)
