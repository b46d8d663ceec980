"""Adoption: an EdgeDevice accepts the certificate of a device that this control plane did not know.

The device proves its key in the TLS handshake, and the administrator named it; its next renewal
gives it a certificate for the new EdgeDevice (docs/reference/control-plane.md#adoption).
"""

from __future__ import annotations

from dataclasses import dataclass

from flotta.identity.peers import Peer
from flotta.resources.kinds import GROUP
from flotta.resources.objects.devices import EdgeDevice
from flotta.resources.views import annotations_of

FORMER_UID_ANNOTATION = f"{GROUP}/former-uid"
FORMER_KEY_ANNOTATION = f"{GROUP}/former-key-fingerprint"


@dataclass(frozen=True)
class FormerIdentity:
    """What a certificate says of a device that was adopted."""

    uid: str  # of its former EdgeDevice; "" in certificates of v0.2
    key_fingerprint: str


def identity_of(peer: Peer) -> FormerIdentity:
    """Return the identity that a device certificate proves."""
    return FormerIdentity(peer.uid or "", peer.public_key_fingerprint)


def former_identity(device: EdgeDevice) -> FormerIdentity | None:
    """Return the identity that an administrator adopted for this EdgeDevice, None for none."""
    annotations = annotations_of(device)
    key = annotations.get(FORMER_KEY_ANNOTATION, "")
    return FormerIdentity(annotations.get(FORMER_UID_ANNOTATION, ""), key) if key else None
