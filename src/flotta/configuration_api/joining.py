"""How a device joins: it asks, an administrator approves, it registers with its key.

Rules: docs/reference/configuration-api.md#joining.
"""

from __future__ import annotations

import logging
import re
import sqlite3
import uuid

import msgspec

from flotta.configuration_api.errors import ApiError
from flotta.configuration_api.feed import note_change
from flotta.configuration_api.names import Name
from flotta.configuration_api.records import (
    Device,
    Report,
    State,
    count_devices,
    find_device,
    find_report,
    now,
    save_device,
    save_report,
)
from flotta.printable_text import printable
from flotta.protocol.configuration_api import RegistrationStatus, Status
from flotta.protocol.hardware import HardwareInfo
from flotta.protocol.models import EnrolmentInfo, Features, RegistrationInfo

# Values of `Flotta-Peer`; an Edge API of v0.2 does not say it.
DEVICE_PEER = "device"  # a device that renews its certificate
REGISTRATION_PEER = "registration"
# Bytes as JSON that are kept of one that asks to join, of which thousands may wait; all of the
# hardware comes again with the registration.
FEATURES_LIMIT = 16 * 1024
MAX_LABEL = 63  # characters of a value, as Kubernetes has them
MAX_LABEL_KEY = 317
MAX_MODEL = 256  # characters
FINGERPRINT = re.compile(r"(?:[0-9a-f]{64})?")
log = logging.getLogger(__name__)


def registration_status(connection: sqlite3.Connection, name: Name) -> RegistrationStatus:
    """Return what the store says about a device.

    One that is not on record is unknown, whatever became of it: only a wish on record says that a
    device is to go.
    """
    device = find_device(connection, name)
    if device is None:
        text = f"{name} is not on record"
        return RegistrationStatus(
            status=Status.UNKNOWN.value, namespace=name.namespace, message=text, approved=False
        )
    return RegistrationStatus(
        status=device.status.value,
        namespace=name.namespace,
        message=f"{name} is {device.state.value}",
        uid=device.uid,
        public_key_fingerprint=device.public_key_fingerprint,
        approved=device.approved or device.status is Status.REGISTERED,
    )


def enrol(
    connection: sqlite3.Connection,
    name: Name,
    info: EnrolmentInfo,
    *,
    fingerprint: str = "",
    batch: str = "",
    auto_approve: bool = False,
    max_pending: int = 0,
) -> bool:
    """Record that a device asks to join; return whether it may register.

    Raises ApiError 400 for what is not a fingerprint, 409 for another key than the one that is
    approved or registered, and 429 when `max_pending` devices wait already (0: no limit).
    """
    key = fingerprint or info.public_key_fingerprint
    _require_fingerprints(fingerprint, info.public_key_fingerprint)
    device = find_device(connection, name)
    if device is None:
        _require_room(connection, max_pending)
    known = device or Device()
    if known.status is Status.REGISTERED:
        _require_key(name, known.public_key_fingerprint, key)
        return True
    if known.approved:
        _require_key(name, known.enrolled_fingerprint, key)
        return True
    # One that was told to go comes back only when somebody approves of it.
    approved = auto_approve and known.status is Status.UNKNOWN
    asked = msgspec.structs.replace(
        known,
        approved=approved,
        enrolled_fingerprint=key,
        enrolled_at=known.enrolled_at or now(),
        batch=batch,
        features=_fit_features(info.features),
        labels=_fit_labels(info.labels),
    )
    if asked != known:  # a device that waits asks again and again
        save_device(connection, name, asked)
        log.info("%s asks to join, key %s", name, printable(key, 64) or "not named")
    return approved


def approve(connection: sqlite3.Connection, name: Name, fingerprint: str = "") -> Device:
    """Let a device register that asked to join, with the key with which it asked.

    Raises ApiError 404 for one that did not ask, 409 for another key than `fingerprint`.
    """
    device = find_device(connection, name)
    if device is None:
        raise ApiError(404, f"{name} has not asked to join; `list` shows the devices that have")
    if device.status is Status.REGISTERED or device.approved:
        return device
    if not device.enrolled_at:
        raise ApiError(404, f"{name} has not asked to join again since it was unregistered")
    if fingerprint and fingerprint != device.enrolled_fingerprint:
        raise ApiError(
            409,
            f"{name} asked with the key {device.enrolled_fingerprint or 'it did not name'}, not "
            f"with {fingerprint}",
        )
    device.approved = True
    save_device(connection, name, device)
    note_change(connection, name)
    return device


def register(
    connection: sqlite3.Connection,
    name: Name,
    info: RegistrationInfo,
    *,
    fingerprint: str = "",
    peer: str = "",
    uid: str = "",
) -> Device:
    """Record a registration, before the device gets its certificate; a repetition changes nothing.

    Raises ApiError 400 for what is not a fingerprint, 404 for a device that is not approved, 409
    for another key unless the device itself, with the `uid` in its certificate, asks for a renewal.
    """
    _require_fingerprints(fingerprint)
    device = find_device(connection, name)
    if device is None or device.state is State.PENDING:
        raise ApiError(404, f"{name} is not approved")
    if device.status is Status.REGISTERED:
        _require_same(name, device, fingerprint, peer, uid)
    elif device.approved:
        _require_key(name, device.enrolled_fingerprint, fingerprint)
        device.uid = str(uuid.uuid4())
        device.status = Status.REGISTERED
        device.registered_at = now()
        device.unregistered_at = device.disconnected_at = ""
    else:
        raise ApiError(404, f"{name} is unregistered; it may come back when it is approved again")
    device.public_key_fingerprint = fingerprint or device.public_key_fingerprint
    _note_hardware(connection, name, info)
    if device != find_device(connection, name):
        save_device(connection, name, device)
        note_change(connection, name)
        log.info("%s registers, key %s", name, printable(fingerprint, 64) or "not named")
    return device


def _fit_features(features: Features | None) -> Features | None:
    """Return what is kept of them: a part of the hardware at a time, while there is room."""
    if features is None:
        return None
    kept = msgspec.structs.replace(
        features, hardware=None, model_name=features.model_name[:MAX_MODEL]
    )
    if features.hardware is None:
        return kept
    kept.hardware = HardwareInfo()
    for field, part in msgspec.structs.asdict(features.hardware).items():
        setattr(kept.hardware, field, part)
        if len(msgspec.json.encode(kept)) > FEATURES_LIMIT:
            setattr(kept.hardware, field, None)
    return kept


def _fit_labels(labels: dict[str, str] | None) -> dict[str, str] | None:
    """Return those that can be labels at all."""
    if labels is None:
        return None
    return {
        key: value
        for key, value in labels.items()
        if len(key) <= MAX_LABEL_KEY and len(value) <= MAX_LABEL
    }


def _note_hardware(connection: sqlite3.Connection, name: Name, info: RegistrationInfo) -> None:
    if info.hardware is not None:
        report = find_report(connection, name) or Report()
        report.hardware = info.hardware
        save_report(connection, name, report)


def _require_room(connection: sqlite3.Connection, max_pending: int) -> None:
    if max_pending and count_devices(connection, State.PENDING) >= max_pending:
        raise ApiError(
            429,
            f"{max_pending} devices wait for approval already (--max-pending): approve or forget "
            "some of them",
            retry_after=60,
        )


def _require_fingerprints(*fingerprints: str) -> None:
    """Refuse what no key could match later; "" stands for a key that is not named."""
    if not all(FINGERPRINT.fullmatch(fingerprint) for fingerprint in fingerprints):
        raise ApiError(400, "the fingerprint of the key is not a hex SHA-256 in lower case")


def _require_same(name: Name, device: Device, fingerprint: str, peer: str, uid: str) -> None:
    """Refuse who is not the registered device."""
    if peer == DEVICE_PEER:
        if uid and device.uid and uid != device.uid:
            raise ApiError(409, f"the certificate is for an earlier device of the name {name}")
        return
    if peer == REGISTRATION_PEER and fingerprint and not device.public_key_fingerprint:
        raise ApiError(
            409, f"{name} is registered with a key that is not on record: forget it first"
        )
    _require_key(name, device.public_key_fingerprint, fingerprint)


def _require_key(name: Name, known: str, fingerprint: str) -> None:
    """Refuse another key; where one side does not name it, nothing can be said."""
    if known and fingerprint and known != fingerprint:
        raise ApiError(
            409,
            f"{name} is on record with another key: if the device lost its key, "
            f"`flotta-configuration-api forget --keep-configuration {name}` lets it join again",
        )
