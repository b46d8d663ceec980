"""The caller: the client certificate of the connection (RFC 5280 names: CN user, O groups).

Rules: docs/reference/resource-api.md#authentication-and-permissions.
"""

from __future__ import annotations

import hashlib
import ssl
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID

from flotta.apiserver.errors import unauthorized
from flotta.identity.ssl_contexts import server_context
from flotta.serving.http_server import anonymous
from flotta.serving.limits import Owner

ANONYMOUS = "system:anonymous"
AUTHENTICATED = "system:authenticated"
UNAUTHENTICATED = "system:unauthenticated"
MASTERS = "system:masters"


@dataclass(frozen=True)
class User:
    """A caller: name, groups and, with a certificate, its SHA-256 and expiry (Unix time)."""

    name: str
    groups: tuple[str, ...]
    fingerprint: str = ""
    expires: float = float("inf")

    @property
    def anonymous(self) -> bool:
        """Whether the caller presented no credential."""
        return self.name == ANONYMOUS


# Connections at once of one certificate: the operator and each Edge API use up to 100 for requests,
# and one for each watch; many people may share the administrator's.
OF_A_CERTIFICATE = 512
NOBODY = User(ANONYMOUS, (UNAUTHENTICATED,))


def engine_context(certificate: Path, key: Path, client_ca: Path) -> ssl.SSLContext:
    """Return the server's TLS context: a client certificate is optional, and of the engine's CA.

    `authenticate` checks its expiry. Its beginning is not checked: a clock that is behind would
    lock out the operator and the Edge API.
    """
    context = server_context(certificate, key, client_ca)
    context.verify_mode = ssl.CERT_OPTIONAL
    return context


def authenticate(request: web.Request) -> User:
    """Return the user of a request. Raises a 401 StatusError for invalid credentials."""
    user = _connection_user(request)
    if user is not None:
        # A connection that is kept open can outlive the certificate.
        if user.expires < time.time():
            raise unauthorized()
        return user
    if "Authorization" in request.headers:
        raise unauthorized()
    return NOBODY


def _connection_user(request: web.Request) -> User | None:
    transport = request.transport
    if transport is None:
        raise unauthorized()
    tls = transport.get_extra_info("ssl_object")
    der = tls.getpeercert(True) if tls is not None else None
    return certificate_user(der) if der else None


def identify(der: bytes | None) -> Owner:
    """Return whose connection it is.

    The caps are in docs/reference/control-plane.md#connections.
    """
    if der is None:
        return anonymous()
    digest = hashlib.sha256(der).hexdigest()
    return Owner(digest, f"client certificate {digest[:16]}", OF_A_CERTIFICATE)


@lru_cache(maxsize=1024)
def certificate_user(der: bytes) -> User:
    """Return the user of a verified client certificate. Raises a 401 StatusError without a CN."""
    certificate = x509.load_der_x509_certificate(der)
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    groups = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    if not names:
        raise unauthorized()
    return User(
        str(names[0].value),
        (*(str(group.value) for group in groups), AUTHENTICATED),
        certificate.fingerprint(hashes.SHA256()).hex(),
        certificate.not_valid_after_utc.timestamp(),
    )
