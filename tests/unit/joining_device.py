"""The device d-17, which joins with certificates of several batches, and who approves it."""

from __future__ import annotations

import copy
import json
from base64 import b64encode
from datetime import UTC, datetime
from typing import Any

from edge_api_store import Object, Store

from flotta.edge_api.backends.crd.backend import CrdBackend
from flotta.edge_api.refusals import Refusal
from flotta.identity.holder import Peer
from flotta.protocol.models import EnrolmentInfo, HardwareInfo, RegistrationInfo
from flotta.resources.kinds import EDGE_DEVICE, SIGNED_REQUEST

NOW, LATER = (datetime(year, 1, 10, 9, 0, tzinfo=UTC) for year in (2026, 2100))
OURS = "management.project-flotta.io"
OWN, OTHERS = "ab" * 32, "ba" * 32  # registration certificates
KEY, SECOND = "cd" * 32, "ef" * 32
AUTOMATIC = {"mode": "Automatic"}


def holder(certificate: str) -> Peer:
    return Peer("registration", "", "default", ("default",), None, certificate, "", NOW, LATER)


def batch(name: str, certificate: str, **specification: Any) -> Object:
    def encoded(text: str) -> str:
        return b64encode(text.encode()).decode()

    metadata = {"name": name, "namespace": "flotta", "uid": f"uid-of-{name}"}
    return {
        "metadata": {**metadata, "labels": {"reg-client-ca": "true"}},
        "data": {
            "formerCertificates": encoded(certificate),
            "batch": encoded(json.dumps(specification)),
        },
    }


def request(annotations: dict[str, str] | None = None, **spec: Any) -> Object:
    """Return the request of d-17, which was made by hand unless annotations say otherwise."""
    noted = {f"{OURS}/{key}": text for key, text in (annotations or {}).items()}
    metadata = {"name": "d-17", "namespace": "default", "annotations": noted}
    return {"metadata": metadata, "spec": {"targetNamespace": "default", "approved": False} | spec}


def edge_device(**labels: str) -> Object:
    metadata = {"name": "d-17", "namespace": "default", "uid": "u-1", "labels": labels}
    return {"metadata": {**metadata, "creationTimestamp": "2026-01-01T00:00:00Z"}, "spec": {}}


async def enrol(
    backend: CrdBackend,
    certificate: str,
    key: str = KEY,
    address: str | None = None,
    **words: Any,
) -> str:
    """Return what the device d-17 is answered."""
    info = EnrolmentInfo(public_key_fingerprint=key, **words)
    try:
        may_register = await backend.enrol(holder(certificate), "d-17", info, address)
    except Refusal as refusal:
        return str(refusal.reason)
    return "may register" if may_register else "waits"


async def register(
    backend: CrdBackend, certificate: str, key: str = KEY, hardware: HardwareInfo | None = None
) -> str:
    info = RegistrationInfo(hardware=hardware)
    try:
        await backend.register(holder(certificate), "d-17", info, key)
    except Refusal as refusal:
        return str(refusal.reason)
    return "joined"


def noted(store: Store) -> dict[str, str]:
    found = store.objects[SIGNED_REQUEST]["d-17"]["metadata"]["annotations"]
    return {key.removeprefix(f"{OURS}/"): text for key, text in found.items()}


def approve(store: Store, by: str = "an administrator") -> None:
    """Approve the request as the operator does, which creates the EdgeDevice."""
    found = copy.deepcopy(store.objects[SIGNED_REQUEST]["d-17"])
    found["spec"]["approved"] = True
    found["status"] = {"decision": {"by": by, "at": "2026-01-01T00:00:00Z", "evidence": []}}
    store.put(SIGNED_REQUEST, found)
    if "d-17" not in store.objects[EDGE_DEVICE]:
        store.put(EDGE_DEVICE, edge_device(edgedeviceSignedRequest="true"))
