"""The registration batch of a registration certificate, and whom it admits.

The rules are in docs/reference/control-plane.md#registration-batches. Nothing here asks a store:
a backend finds the secret of a certificate, and decides by what it holds now.
"""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import dataclass, replace
from datetime import datetime

from cryptography.hazmat.primitives import serialization

from flotta.edge_api.backends.backend import StoredSecret
from flotta.edge_api.refusals import Refusal
from flotta.fleet.batch_specification import SpecificationError, parse_specification
from flotta.fleet.registration_batches import (
    CERTIFICATE_KEY,
    ERROR_ANNOTATION,
    FORMER_KEY,
    SPECIFICATION_KEY,
    Specification,
    State,
    read_former,
)
from flotta.identity.errors import IdentityError
from flotta.identity.holder import Peer
from flotta.identity.lifetime import load_certificate
from flotta.protocol.reasons.refusals import (
    CERTIFICATE_EXPIRED,
    DEVICE_ID_NOT_ALLOWED,
    KEY_FINGERPRINT_MISSING,
    NAMESPACE_NOT_ALLOWED,
    REGISTRATION_BATCH_INVALID,
    REGISTRATION_REVOKED,
)

ISSUE_ANOTHER = "issue another batch, and install its certificate on the device"


@dataclass(frozen=True)
class Batch:
    """A registration batch."""

    name: str
    specification: Specification
    uid: str = ""  # of its object, where the store has one
    certificates: tuple[str, ...] = ()  # SHA-256 of its certificates, former ones too

    @property
    def namespaces(self) -> tuple[str, ...]:
        """The namespaces that its devices may join."""
        return self.specification.namespaces


def fingerprints_of(secret: StoredSecret) -> tuple[str, ...]:
    """Return the SHA-256 of the certificates of a batch: the current one and former ones."""
    former = read_former(secret.data.get(FORMER_KEY, b"").decode(errors="replace"))
    with contextlib.suppress(IdentityError):
        certificate = load_certificate(secret.data.get(CERTIFICATE_KEY, b""))
        der = certificate.public_bytes(serialization.Encoding.DER)
        return (hashlib.sha256(der).hexdigest(), *former)
    return former


def holds(secret: StoredSecret | None, peer: Peer) -> bool:
    """Tell whether a registration certificate belongs to the batch of this secret."""
    return secret is not None and secret.registers and peer.fingerprint in fingerprints_of(secret)


def read_batch(secret: StoredSecret, peer: Peer) -> Batch:
    """Return the batch of a secret that holds the certificate of a peer.

    Without a specification it is unlimited in the namespaces of the certificate. Raises Refusal
    403 when the specification is invalid.
    """
    specification = _parse(secret)
    if specification is None:
        specification = replace(Specification(), namespaces=peer.namespaces)
    return Batch(secret.name, specification, certificates=fingerprints_of(secret))


def _parse(secret: StoredSecret) -> Specification | None:
    """Return the specification of a secret, None if it has none; raises Refusal 403."""
    text = secret.data.get(SPECIFICATION_KEY)
    if text is None:
        return None
    try:
        return parse_specification(text)
    except SpecificationError as error:
        raise Refusal(
            403,
            f"the specification of registration batch {secret.name} is invalid; its annotation "
            f"{ERROR_ANNOTATION} says why",
            reason=REGISTRATION_BATCH_INVALID,
        ) from error


def no_batch() -> Refusal:
    """Return the refusal of a certificate that belongs to no batch."""
    return Refusal(
        403,
        "the registration certificate belongs to no registration batch: the batch was deleted, or "
        "this server does not know it yet; issue a new registration certificate (role "
        "flotta.edge.device)",
        reason=REGISTRATION_REVOKED,
    )


def require_active(batch: Batch, peer: Peer, now: datetime) -> None:
    """Refuse a batch that was revoked or has expired."""
    state = batch.specification.state_at(now, peer.not_after)
    if state is State.REVOKED:
        raise Refusal(
            403,
            f"registration batch {batch.name} was revoked; {ISSUE_ANOTHER}",
            reason=REGISTRATION_REVOKED,
        )
    if state is State.EXPIRED:
        raise Refusal(
            401,
            f"registration batch {batch.name} has expired; {ISSUE_ANOTHER}",
            reason=CERTIFICATE_EXPIRED,
        )


def require_unrevoked(name: str, secret: StoredSecret | None) -> None:
    """Refuse an approval of the batch of this name if that was revoked or deleted.

    One that has expired approves nobody any more, but its approvals stay.
    """
    specification = _parse(secret) if secret is not None and secret.registers else None
    if specification is None or specification.revoked is not None:
        raise Refusal(
            403,
            f"registration batch {name}, whose rule approved the device, was revoked or deleted, "
            "so its approval does not count; delete the EdgeDeviceSignedRequest: then the device "
            "can enrol again, and a person can approve it",
            reason=REGISTRATION_REVOKED,
        )


def require_admitted(batch: Batch, device_id: str, namespace: str, key_fingerprint: str) -> None:
    """Refuse an id, a namespace, or a device without a key that the batch does not admit."""
    if namespace not in batch.namespaces:
        raise Refusal(
            403,
            f"registration batch {batch.name} does not allow namespace {namespace[:64]!r}, "
            f"only {', '.join(batch.namespaces)}; name one of these, or issue another batch",
            reason=NAMESPACE_NOT_ALLOWED,
        )
    ids = batch.specification.device_ids
    if ids is not None and ids.find(device_id) is None:
        raise Refusal(
            403,
            f"registration batch {batch.name} does not admit the id {device_id}; add it to "
            "its deviceIDs, or issue another batch",
            reason=DEVICE_ID_NOT_ALLOWED,
        )
    if not key_fingerprint and not batch.specification.allow_without_fingerprint:
        raise Refusal(
            403,
            "the field public_key_fingerprint is missing, and registration batch "
            f"{batch.name} does not allow that; use a newer agent, or allowWithoutFingerprint",
            reason=KEY_FINGERPRINT_MISSING,
        )
