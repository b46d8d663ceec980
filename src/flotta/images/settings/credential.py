"""Whether a registration certificate will let a device join when somebody boots the medium."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from flotta.identity.errors import IdentityError
from flotta.identity.issuers import issued_by, load_bundle
from flotta.identity.keys import load_key, public_key_fingerprint, to_traditional_pem
from flotta.identity.lifetime import load_certificate
from flotta.identity.peers import Peer, identify_peer
from flotta.images.errors import ImageError
from flotta.payload.personalisation import Credential
from flotta.protocol.reasons.images import (
    CERTIFICATE_UNTRUSTED,
    KEY_MISMATCH,
)
from flotta.protocol.reasons.refusals import CERTIFICATE_EXPIRED
from flotta.rfc3339 import format_time

LONG_LIFE = timedelta(days=90)  # longer is worth a warning: who finds a stick can use it as long


@dataclass(frozen=True)
class CheckedCredential:
    """A credential that fits together; `warnings` are sentences for who makes the medium."""

    credential: Credential
    peer: Peer
    authority_fingerprint: str  # hex SHA-256 of the first CA's DER
    warnings: Sequence[str] = ()

    @property
    def not_before(self) -> int:
        """Unix time since which the certificate is valid."""
        return int(self.peer.not_before.timestamp())


def check_credential(
    certificate: bytes,
    key: bytes,
    authorities: bytes,
    min_validity: timedelta,
    now: datetime | None = None,
) -> CheckedCredential:
    """Return the credential, its key in the form that every agent reads.

    Raises ImageError for a certificate that is expired or will be within `min_validity`, is not a
    registration certificate, was not issued by one of the CAs, or has another key.
    """
    bundle = load_authorities(authorities, "ca")
    peer = _identify(certificate, bundle)
    warnings = _check_validity(peer, min_validity, now or datetime.now(UTC))
    _check_key(key, peer)
    credential = Credential(certificate, to_traditional_pem(key), authorities)
    first = hashlib.sha256(bundle[0].public_bytes(Encoding.DER)).hexdigest()
    return CheckedCredential(credential, peer, first, warnings)


def load_authorities(pem: bytes, path: str) -> list[x509.Certificate]:
    """Return the CA certificates of a setting. Raises ImageError when there is none."""
    try:
        bundle = load_bundle(pem)
    except IdentityError as error:
        raise ImageError(
            CERTIFICATE_UNTRUSTED,
            f"The setting {path} has no CA certificate in PEM. Give the certificate of the CA.",
        ) from error
    return bundle


def _identify(certificate: bytes, bundle: Sequence[x509.Certificate]) -> Peer:
    try:
        leaf = load_certificate(certificate)
        peer = identify_peer(leaf)
    except IdentityError as error:
        raise _untrusted(str(error)) from error
    if peer.kind != "registration":
        raise _untrusted(f"The certificate is that of the device {peer.device_id}.")
    if not issued_by(leaf, bundle):
        raise _untrusted("None of the given CAs issued the registration certificate.")
    return peer


def _untrusted(problem: str) -> ImageError:
    return ImageError(
        CERTIFICATE_UNTRUSTED,
        f"{problem} Give a registration certificate, and the CA of the fleet that issued it.",
    )


def _check_validity(peer: Peer, min_validity: timedelta, now: datetime) -> Sequence[str]:
    left = peer.not_after - now
    if left < min_validity:
        when = "expired" if left <= timedelta() else "expires"
        raise ImageError(
            CERTIFICATE_EXPIRED,
            f"The registration certificate {when} at {format_time(peer.not_after)}, and a medium "
            f"needs one that is valid for {_describe(min_validity)} at least. Issue it again, or "
            "lower min_validity.",
        )
    if left <= LONG_LIFE:
        return ()
    return (
        f"The registration certificate is valid for {left.days} days: whoever finds the medium can "
        "use it as long. Limit uses and time of its batch, or revoke it after the roll-out.",
    )


def _describe(span: timedelta) -> str:
    days, seconds = span.days, span.seconds
    return f"{days} days" if days and not seconds else f"{int(span.total_seconds())} seconds"


def _check_key(pem: bytes, peer: Peer) -> None:
    try:
        fingerprint = public_key_fingerprint(load_key(pem).public_key())
    except IdentityError as error:
        raise ImageError(
            KEY_MISMATCH, f"{error} Give the key that belongs to the registration certificate."
        ) from error
    if fingerprint != peer.public_key_fingerprint:
        raise ImageError(
            KEY_MISMATCH,
            "The private key does not belong to the registration certificate. Give both as "
            "`flotta registration issue` wrote them.",
        )
