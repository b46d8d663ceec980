"""Whether a registration certificate will let a device join when somebody boots the medium."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from flotta.identity.errors import IdentityError
from flotta.identity.holder import Peer
from flotta.identity.issuers import issued_by, load_bundle
from flotta.identity.keys import load_key, public_key_fingerprint, to_traditional_pem
from flotta.identity.lifetime import load_certificate
from flotta.identity.peers import identify_peer
from flotta.images.errors import ImageError
from flotta.payload.personalisation import Credential
from flotta.printable_text import printable
from flotta.protocol.reasons.images import (
    CERTIFICATE_UNTRUSTED,
    KEY_MISMATCH,
)
from flotta.protocol.reasons.refusals import CERTIFICATE_EXPIRED
from flotta.rfc3339 import format_time

CLOCK_SKEW = timedelta(minutes=10)  # between this machine and the issuer
MAX_NAME = 128  # characters of the name of a CA in a message
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

    Only certificates are taken from the PEM of certificate and CAs. Raises ImageError for a
    certificate or CA that is not valid yet, is expired or will be within `min_validity`, for what
    is not a registration certificate or was not issued by one of the CAs, and for another key.
    """
    moment = now or datetime.now(UTC)
    bundle = load_authorities(authorities, "ca")
    leaf, peer = _identify(certificate)
    _check_authority(_issuer(leaf, bundle), min_validity, moment)
    warnings = _check_validity(peer, min_validity, moment)
    _check_key(key, peer)
    credential = Credential(to_pem([leaf]), to_traditional_pem(key), to_pem(bundle))
    first = hashlib.sha256(bundle[0].public_bytes(Encoding.DER)).hexdigest()
    return CheckedCredential(credential, peer, first, warnings)


def to_pem(certificates: Iterable[x509.Certificate]) -> bytes:
    """Return certificates and nothing else that was beside them."""
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)


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


def _identify(certificate: bytes) -> tuple[x509.Certificate, Peer]:
    try:
        leaf = load_certificate(certificate)
        peer = identify_peer(leaf)
    except IdentityError as error:
        raise _untrusted(str(error)) from error
    if peer.kind != "registration":
        raise _untrusted(f"The certificate is that of the device {peer.device_id}.")
    return leaf, peer


def _issuer(leaf: x509.Certificate, bundle: Iterable[x509.Certificate]) -> x509.Certificate:
    """Return the CA that issued the certificate; of several of one key, the one valid longest."""
    issuers = [authority for authority in bundle if issued_by(leaf, [authority])]
    if not issuers:
        raise _untrusted("None of the given CAs issued the registration certificate.")
    return max(issuers, key=lambda authority: authority.not_valid_after_utc)


def _check_authority(issuer: x509.Certificate, min_validity: timedelta, now: datetime) -> None:
    name = f"The CA {printable(issuer.subject.rfc4514_string(), MAX_NAME)}"
    _require_begun(name, issuer.not_valid_before_utc, now)
    _require_time(name, issuer.not_valid_after_utc, min_validity, now)


def _require_begun(name: str, since: datetime, now: datetime) -> None:
    if since > now + CLOCK_SKEW:
        raise _untrusted(
            f"{name} is not valid before {format_time(since)}. Check the clock of this machine."
        )


def _require_time(name: str, end: datetime, min_validity: timedelta, now: datetime) -> None:
    left = end - now
    if left > timedelta() and left >= min_validity:
        return
    when = "expired" if left <= timedelta() else "expires"
    needed = (
        f", and a medium needs one that is valid for {_describe(min_validity)} at least. Issue it "
        "again, or lower min_validity."
        if min_validity
        else ". Issue it again, and personalise the medium again."
    )
    raise ImageError(CERTIFICATE_EXPIRED, f"{name} {when} at {format_time(end)}{needed}")


def _untrusted(problem: str) -> ImageError:
    return ImageError(
        CERTIFICATE_UNTRUSTED,
        f"{problem} Give a registration certificate, and the CA of the fleet that issued it.",
    )


def _check_validity(peer: Peer, min_validity: timedelta, now: datetime) -> Sequence[str]:
    _require_begun("The registration certificate", peer.not_before, now)
    _require_time("The registration certificate", peer.not_after, min_validity, now)
    left = peer.not_after - now
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
