"""The identity of a device: a certificate and its key, read from files."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from flotta.gateway.errors import IdentityUnusable
from flotta.identity.errors import IdentityError
from flotta.identity.issuers import load_bundle
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
        with contextlib.suppress(OSError, IdentityError):
            found += load_bundle(path.read_bytes())
    return found
