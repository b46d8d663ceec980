"""Enrolment and registration: how a device gets into the fleet.

The registration certificate is shared by many devices, so it is worth little: it may ask to join
the namespaces it names, and complete the registration of an approved device that has not
registered yet, or that registered the very same key (the response got lost). Everything here reads
the API itself, not the caches: it happens rarely and decides about certificates.
"""

from __future__ import annotations

from typing import Any

from flotta.edge_api.backends import RecordedRegistration
from flotta.edge_api.refusals import Refusal
from flotta.fleet import hardware
from flotta.fleet.joining import KEY_ANNOTATION, REQUEST_NAMESPACE, UNREGISTERED_LABEL
from flotta.identity.peers import Peer
from flotta.merge_patch import make_merge_patch
from flotta.protocol.models import EnrolmentInfo, RegistrationInfo
from flotta.resources.client import AlreadyExists, Client, retry_on_conflict
from flotta.resources.kinds import EDGE_DEVICE, SIGNED_REQUEST

Object = dict[str, Any]


class Joining:
    """Records enrolments and registrations."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def enrol(self, peer: Peer, device_id: str, info: EnrolmentInfo) -> bool:
        """Record that a device wants to join.

        True when its EdgeDevice exists and it may register.
        """
        namespace = _target_namespace(peer, info)
        device = await self._client.get_or_none(EDGE_DEVICE, device_id, namespace)
        if device is not None:
            return not _is_leaving(device)
        request = await self._client.get_or_none(SIGNED_REQUEST, device_id, REQUEST_NAMESPACE)
        if request is None:
            await self._create_request(device_id, namespace, info)
            return False
        approved = (request.get("spec") or {}).get("targetNamespace") or REQUEST_NAMESPACE
        if approved == namespace:
            return False
        device = await self._client.get_or_none(EDGE_DEVICE, device_id, approved)
        return device is not None and not _is_leaving(device)

    async def register(
        self, peer: Peer, device_id: str, info: RegistrationInfo, key_fingerprint: str
    ) -> RecordedRegistration:
        """Record hardware, labels and key of a device; afterwards its certificate may be signed."""
        request: Object | None = None
        namespace = peer.namespace
        if peer.kind == "registration":
            request = await self._client.get_or_none(SIGNED_REQUEST, device_id, REQUEST_NAMESPACE)
            if request is None:
                raise Refusal(404, "the device has not enrolled")
            namespace = request["spec"].get("targetNamespace") or REQUEST_NAMESPACE
            _require_namespace(peer, namespace)

        async def attempt() -> RecordedRegistration:
            device = await self._client.get_or_none(EDGE_DEVICE, device_id, namespace)
            if device is None:
                raise Refusal(404, "the device is not approved yet")
            _require_may_register(peer, device, request, key_fingerprint)
            await self._record_registration(device, info, key_fingerprint)
            return RecordedRegistration(namespace, device["metadata"]["uid"])

        return await retry_on_conflict(attempt)

    async def _create_request(self, device_id: str, namespace: str, info: EnrolmentInfo) -> None:
        metadata: Object = {"name": device_id, "namespace": REQUEST_NAMESPACE}
        if info.public_key_fingerprint:
            metadata["annotations"] = {KEY_ANNOTATION: info.public_key_fingerprint}
        spec: Object = {"targetNamespace": namespace, "approved": False}
        if info.features is not None:
            spec["features"] = (
                {
                    "modelName": info.features.model_name,
                    "hardware": hardware.merge_report(None, info.features.hardware),
                }
                if info.features.hardware
                else {"modelName": info.features.model_name}
            )
        try:
            await self._client.create(SIGNED_REQUEST, {"metadata": metadata, "spec": spec})
        except AlreadyExists:
            return

    async def _record_registration(
        self, device: Object, info: RegistrationInfo, fingerprint: str
    ) -> None:
        metadata = device["metadata"]
        if info.hardware is not None:
            device = await self._record_hardware(device, info)
        known = (device.get("status") or {}).get("hardware")
        labels: Object = {**hardware.hardware_labels(known), UNREGISTERED_LABEL: None}
        present = metadata.get("labels") or {}
        annotations = metadata.get("annotations") or {}
        patch: Object = {
            "labels": {key: text for key, text in labels.items() if present.get(key) != text},
            "annotations": {KEY_ANNOTATION: fingerprint},
        }
        if not patch["labels"] and annotations.get(KEY_ANNOTATION) == fingerprint:
            return
        patch["resourceVersion"] = device["metadata"]["resourceVersion"]
        await self._client.merge_patch(
            EDGE_DEVICE, metadata["name"], metadata["namespace"], {"metadata": patch}
        )

    async def _record_hardware(self, device: Object, info: RegistrationInfo) -> Object:
        metadata, status = device["metadata"], device.get("status") or {}
        if info.hardware is None:
            return device
        new = {**status, "hardware": hardware.merge_report(status.get("hardware"), info.hardware)}
        if new == status:
            return device
        patch = {
            "metadata": {"resourceVersion": metadata["resourceVersion"]},
            "status": make_merge_patch(status, new),
        }
        return await self._client.merge_patch(
            EDGE_DEVICE, metadata["name"], metadata["namespace"], patch, "status"
        )


def _target_namespace(peer: Peer, info: EnrolmentInfo) -> str:
    default = REQUEST_NAMESPACE if REQUEST_NAMESPACE in peer.namespaces else peer.namespaces[0]
    namespace = info.target_namespace or default
    _require_namespace(peer, namespace)
    return namespace


def _require_namespace(peer: Peer, namespace: str) -> None:
    if namespace not in peer.namespaces:
        raise Refusal(
            403,
            f"the registration certificate does not allow namespace {namespace!r}, "
            f"only {', '.join(peer.namespaces)}",
        )


def _require_may_register(
    peer: Peer, device: Object, request: Object | None, key_fingerprint: str
) -> None:
    if _is_leaving(device):
        raise Refusal(403, "the device is being removed from the fleet")
    if peer.kind == "device":
        return  # its membership was checked
    metadata = device["metadata"]
    if (metadata.get("labels") or {}).get(UNREGISTERED_LABEL) != "true":
        if (metadata.get("annotations") or {}).get(KEY_ANNOTATION) != key_fingerprint:
            raise Refusal(
                403, "the device is registered; only its own certificate can register it again"
            )
        return
    enrolled = ((request or {}).get("metadata", {}).get("annotations") or {}).get(KEY_ANNOTATION)
    if enrolled not in (None, key_fingerprint):
        raise Refusal(
            403,
            "the key is not the one that enrolled; to accept the new one, delete the "
            "EdgeDeviceSignedRequest of the device",
        )


def _is_leaving(device: Object) -> bool:
    return bool(device["metadata"].get("deletionTimestamp"))
