"""Who may speak with the store: the Edge API, by its client certificate, and nobody else.

The Flotta CA issues certificates to every device. A device can be called like the Edge API, so its
name alone does not tell (docs/reference/configuration-api.md#tls).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from flotta.configuration_api.errors import ApiError
from flotta.identity.subjects import ORGANIZATION
from flotta.own_names import EDGE_API
from flotta.serving.http_server import anonymous
from flotta.serving.limits import Identify, Owner

# Connections at once: all replicas of an Edge API have one certificate. Others are not served.
OF_THE_CLIENT, OF_ANOTHER = 512, 2
# What cryptography raises besides ValueError.
UNREADABLE = (UnsupportedAlgorithm, x509.DuplicateExtension, x509.InvalidVersion)


@dataclass(frozen=True)
class Client:
    """A client certificate; `obstacle` is why it may not speak, empty for the Edge API's."""

    obstacle: str
    not_before: datetime
    not_after: datetime


def identify(name: str | None) -> Identify:
    """Return what tells whose connection it is; `name` is that of the one client, None for http."""

    def owner_of(der: bytes | None) -> Owner:
        if der is None or name is None:
            return anonymous(most=OF_THE_CLIENT if name is None else OF_ANOTHER)
        digest = hashlib.sha256(der).hexdigest()
        most = OF_ANOTHER if _read_client(der, name).obstacle else OF_THE_CLIENT
        return Owner(digest, f"client certificate {digest[:16]}", most)

    return owner_of


def require_client(der: bytes | None, name: str) -> None:
    """Refuse (403) every client but the one whose certificate names `name`.

    A connection may outlive the certificate, so this is for each request.
    """
    if der is None:
        raise ApiError(401, "a client certificate is required: that of the Edge API")
    client = _read_client(der, name)
    moment = datetime.now(UTC)
    if client.obstacle:
        raise ApiError(403, client.obstacle)
    if not client.not_before <= moment <= client.not_after:
        raise ApiError(
            403,
            f"the client certificate is valid from {client.not_before:%Y-%m-%d %H:%M} to "
            f"{client.not_after:%Y-%m-%d %H:%M} UTC: check the clock, or renew it",
        )


@lru_cache(maxsize=64)
def _read_client(der: bytes, name: str) -> Client:
    try:
        certificate = x509.load_der_x509_certificate(der)
        obstacle = _obstacle(certificate, name)
    except (ValueError, *UNREADABLE):
        start = datetime.min.replace(tzinfo=UTC)
        return Client("the client certificate cannot be read", start, start)
    return Client(obstacle, certificate.not_valid_before_utc, certificate.not_valid_after_utc)


def _obstacle(certificate: x509.Certificate, name: str) -> str:
    names = _subject(certificate, NameOID.COMMON_NAME)
    if names != [name]:
        return (
            f"the client certificate is for {', '.join(names)[:64] or 'nobody'}; this store talks "
            f"to {name} only (--client-name)"
        )
    organizations = _subject(certificate, NameOID.ORGANIZATION_NAME)
    if ORGANIZATION in organizations:
        return f"the client certificate is that of a device that is called {name}"
    if organizations != [EDGE_API]:
        return f"the organisation of the client certificate is not {EDGE_API}"
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        usage = x509.ExtendedKeyUsage([])
    if ExtendedKeyUsageOID.CLIENT_AUTH not in usage:
        return "the client certificate is not issued for clientAuth"
    return ""


def _subject(certificate: x509.Certificate, oid: ObjectIdentifier) -> list[str]:
    return [str(item.value) for item in certificate.subject.get_attributes_for_oid(oid)]
