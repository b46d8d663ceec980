"""The identity of a device: a certificate and its key, read from files."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding

from flotta.gateway.errors import IdentityUnusable
from flotta.identity.keys import load_key
from flotta.identity.lifetime import load_certificate
from flotta.identity.peers import Peer, read_peer


@dataclass(frozen=True)
class Identity:
    """A certificate and the key that belongs to it."""

    peer: Peer
    certificate: x509.Certificate
    cert_path: Path
    key_path: Path

    @property
    def is_device(self) -> bool:
        """Whether this is a device's own identity, not the registration identity."""
        return self.peer.kind == "device"


def load_identity(cert_path: Path, key_path: Path) -> Identity:
    """Read both files; raises OSError, IdentityError or IdentityUnusable with the reason."""
    certificate = load_certificate(cert_path.read_bytes())
    if load_key(key_path.read_bytes()).public_key() != certificate.public_key():
        raise IdentityUnusable("certificate and key do not belong together")
    return Identity(identify_peer(certificate), certificate, cert_path, key_path)


def identify_peer(certificate: x509.Certificate) -> Peer:
    """Return the holder of a certificate.

    Raises PeerError when it is neither a registration nor a device certificate.
    """
    return read_peer(certificate.public_bytes(Encoding.DER))


def load_authorities(paths: Iterable[Path]) -> list[x509.Certificate]:
    """Return every certificate of the readable files."""
    found: list[x509.Certificate] = []
    for path in paths:
        with contextlib.suppress(OSError, ValueError):
            found += x509.load_pem_x509_certificates(path.read_bytes())
    return found


def issued_by(identity: Identity, authorities: Iterable[x509.Certificate]) -> bool:
    """Tell whether one of the authorities signed the certificate itself."""
    for authority in authorities:
        with contextlib.suppress(ValueError, TypeError, InvalidSignature):
            identity.certificate.verify_directly_issued_by(authority)
            return True
    return False
