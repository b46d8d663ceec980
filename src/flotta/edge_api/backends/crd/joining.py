"""Enrolment and registration: how a device joins the fleet.

The registration certificate is shared by many devices, so it allows little: to request to join the
namespaces it names, and to complete the registration of an approved device that has not registered
yet, or that registered the very same key (the response was lost). Everything here reads the API
itself, not the caches: it happens rarely and decides about certificates. The rules are in
docs/reference/wire-protocol.md#registration.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from flotta.edge_api.backends.backend import RecordedRegistration
from flotta.edge_api.backends.crd.pending_requests import PendingRequests
from flotta.edge_api.backends.crd.quarantine import require_released
from flotta.edge_api.refusals import Refusal
from flotta.fleet import hardware, presence
from flotta.fleet.former_labels import record_change, settle
from flotta.fleet.joining import (
    CERTIFICATE_ANNOTATION,
    KEY_ANNOTATION,
    REQUEST_NAMESPACE,
    UNREGISTERED_LABEL,
)
from flotta.identity.peers import Peer
from flotta.protocol.hardware import HardwareInfo
from flotta.protocol.models import EnrolmentInfo, Features, RegistrationInfo
from flotta.protocol.reasons.refusals import (
    ALREADY_REGISTERED,
    DEVICE_LEAVING,
    INVALID_MESSAGE,
    NAMESPACE_NOT_ALLOWED,
    NOT_APPROVED,
    NOT_ENROLLED,
    OTHER_KEY,
)
from flotta.resources.bounds import fit_report
from flotta.resources.cache import Cache
from flotta.resources.changes import (
    MetadataChange,
    as_read,
    change_metadata,
    change_status,
)
from flotta.resources.client import AlreadyExists, Client, retry_on_conflict
from flotta.resources.kinds import EDGE_DEVICE, SIGNED_REQUEST, WITHHELD_ANNOTATION
from flotta.resources.objects.devices import (
    EdgeDevice,
    EdgeDeviceStatus,
    SignedRequest,
    SignedRequestSpec,
)
from flotta.resources.objects.devices import Features as StoredFeatures
from flotta.resources.views import (
    annotations_of,
    is_being_deleted,
    labels_of,
    name_of,
    namespace_of,
    spec_of,
    status_of,
    uid_of,
)

FINGERPRINT = re.compile(r"[0-9a-f]{64}")
# Bytes of hardware as JSON in a request, of which thousands may wait. All of it is reported again
# at the registration.
FEATURES_LIMIT = 16 * 1024


class Joining:
    """Records enrolments and registrations."""

    def __init__(
        self, client: Client, devices: Cache[EdgeDevice], pending: PendingRequests
    ) -> None:
        self._client = client
        self._devices = devices
        self._pending = pending

    async def enrol(self, peer: Peer, device_id: str, info: EnrolmentInfo) -> bool:
        """Record that a device requests to join.

        Return whether its EdgeDevice exists, so that it may register.
        """
        namespace = _target_namespace(peer, info)
        self._require_no_quarantine(peer, device_id)
        device = await self._client.get_or_none(EDGE_DEVICE, device_id, namespace)
        require_released(device)
        if device is not None:
            return not is_being_deleted(device)
        request = await self._client.get_or_none(SIGNED_REQUEST, device_id, REQUEST_NAMESPACE)
        if request is None:
            with self._pending.place(device_id, namespace, peer.fingerprint):
                await self._create_request(_new_request(peer, device_id, namespace, info))
            return False
        approved = spec_of(request).get("targetNamespace") or REQUEST_NAMESPACE
        if approved == namespace:
            return False
        device = await self._client.get_or_none(EDGE_DEVICE, device_id, approved)
        require_released(device)
        return device is not None and not is_being_deleted(device)

    async def register(
        self, peer: Peer, device_id: str, info: RegistrationInfo, key_fingerprint: str
    ) -> RecordedRegistration:
        """Record hardware, labels and key of a device before its certificate is issued."""
        request: SignedRequest | None = None
        namespace = peer.namespace
        if peer.kind == "registration":
            self._require_no_quarantine(peer, device_id)
            request = await self._client.get_or_none(SIGNED_REQUEST, device_id, REQUEST_NAMESPACE)
            if request is None:
                raise Refusal(
                    404,
                    "the device has not enrolled: it has no EdgeDeviceSignedRequest",
                    reason=NOT_ENROLLED,
                )
            namespace = spec_of(request).get("targetNamespace") or REQUEST_NAMESPACE
            _require_namespace(peer, namespace)

        async def attempt() -> RecordedRegistration:
            device = await self._client.get_or_none(EDGE_DEVICE, device_id, namespace)
            if device is None:
                raise Refusal(404, "the device is not approved yet", reason=NOT_APPROVED)
            _require_may_register(peer, device, request, key_fingerprint)
            await self._record_registration(device, info, key_fingerprint)
            return RecordedRegistration(namespace, uid_of(device))

        return await retry_on_conflict(attempt)

    def _require_no_quarantine(self, peer: Peer, device_id: str) -> None:
        """Refuse the id of a quarantined device in every namespace that the certificate names.

        Else its holder could join under the same id next to its own EdgeDevice.
        """
        for namespace in peer.namespaces:
            require_released(self._devices.get(namespace, device_id))

    async def _create_request(self, request: SignedRequest) -> None:
        try:
            await self._client.create(SIGNED_REQUEST, request)
        except AlreadyExists:
            return

    async def _record_registration(
        self, device: EdgeDevice, info: RegistrationInfo, fingerprint: str
    ) -> None:
        present, annotations = labels_of(device), annotations_of(device)
        if info.hardware is not None:
            device = await self._record_hardware(device, info.hardware)
        wanted: dict[str, str | None] = {
            **hardware.hardware_labels(status_of(device).get("hardware")),
            UNREGISTERED_LABEL: None,
        }
        labels = {key: text for key, text in wanted.items() if present.get(key) != text}
        former = record_change(device, labels, datetime.now(UTC))
        returns = presence.ready_status(status_of(device)) == "Unknown"
        if not former and info.hardware is not None and not returns:
            reported = hardware.reported_labels(info.hardware)
            former = settle(device, reported, datetime.now(UTC))
        if not labels and not former and annotations.get(KEY_ANNOTATION) == fingerprint:
            return
        change: MetadataChange = {
            "labels": labels,
            "annotations": {KEY_ANNOTATION: fingerprint, **former},
        }
        if labels.get(UNREGISTERED_LABEL, "") is None and info.hardware is None:
            # A new device describes itself; one that joins again by its gateway runs something.
            change["annotations"][WITHHELD_ANNOTATION] = "true"
        patch = as_read(change_metadata(change), device)
        await self._client.merge_patch(EDGE_DEVICE, name_of(device), namespace_of(device), patch)

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


def _new_request(peer: Peer, device_id: str, namespace: str, info: EnrolmentInfo) -> SignedRequest:
    annotations = {CERTIFICATE_ANNOTATION: peer.fingerprint}
    if info.public_key_fingerprint:
        if not FINGERPRINT.fullmatch(info.public_key_fingerprint):
            raise Refusal(
                400, "the fingerprint of the key is not a hex SHA-256", reason=INVALID_MESSAGE
            )
        annotations[KEY_ANNOTATION] = info.public_key_fingerprint
    spec: SignedRequestSpec = {"targetNamespace": namespace, "approved": False}
    if info.features is not None:
        spec["features"] = _stored_features(info.features)
    return {
        "metadata": {
            "name": device_id,
            "namespace": REQUEST_NAMESPACE,
            "annotations": annotations,
        },
        "spec": spec,
    }


def _stored_features(features: Features) -> StoredFeatures:
    stored: StoredFeatures = {"modelName": features.model_name}
    if features.hardware:
        known = hardware.merge_report(None, features.hardware)
        stored["hardware"] = hardware.fit_size(known, FEATURES_LIMIT)
    return fit_report(stored, SIGNED_REQUEST, "spec", "features")


def _target_namespace(peer: Peer, info: EnrolmentInfo) -> str:
    default = REQUEST_NAMESPACE if REQUEST_NAMESPACE in peer.namespaces else peer.namespaces[0]
    namespace = info.target_namespace or default
    _require_namespace(peer, namespace)
    return namespace


def _require_namespace(peer: Peer, namespace: str) -> None:
    if namespace not in peer.namespaces:
        raise Refusal(
            403,
            f"the registration certificate does not allow namespace {namespace[:64]!r}, "
            f"only {', '.join(peer.namespaces)}",
            reason=NAMESPACE_NOT_ALLOWED,
        )


def _require_may_register(
    peer: Peer, device: EdgeDevice, request: SignedRequest | None, key_fingerprint: str
) -> None:
    require_released(device)
    if is_being_deleted(device):
        raise Refusal(403, "the device is being removed from the fleet", reason=DEVICE_LEAVING)
    if peer.kind == "device":
        return  # its membership was checked
    if labels_of(device).get(UNREGISTERED_LABEL) != "true":
        if annotations_of(device).get(KEY_ANNOTATION) != key_fingerprint:
            raise Refusal(
                403,
                "the device is registered; only its own certificate can register it again",
                reason=ALREADY_REGISTERED,
            )
        return
    enrolled = annotations_of(request).get(KEY_ANNOTATION) if request else None
    if enrolled not in (None, key_fingerprint):
        raise Refusal(
            403,
            "the key is not the one that enrolled; to accept the new one, delete the EdgeDevice: "
            "then the device can enrol again",
            reason=OTHER_KEY,
        )
