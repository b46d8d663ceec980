"""The identity of a device: a certificate, read from a file, and its key."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from flotta.durable_files import read_bounded
from flotta.gateway.device_keys import DeviceKey
from flotta.gateway.errors import IdentityUnusable
from flotta.identity.errors import IdentityError
from flotta.identity.holder import Peer
from flotta.identity.issuers import load_bundle
from flotta.identity.lifetime import load_certificate
from flotta.identity.peers import identify_peer

MAX_PEM = 1 << 20  # bytes of a certificate
MAX_BUNDLE = 16 << 20  # bytes of the certificates of all CAs


@dataclass(frozen=True)
class Identity:
    """A certificate and the key that belongs to it."""

    peer: Peer
    certificate: x509.Certificate
    cert_path: Path
    key: DeviceKey

    @property
    def is_device(self) -> bool:
        """Whether this is a device's own identity, not the registration identity."""
        return self.peer.kind == "device"


def load_identity(cert_path: Path, load_key: Callable[[], DeviceKey]) -> Identity:
    """Read both; raises OSError, IdentityError or IdentityUnusable with the reason."""
    certificate = load_certificate(read_bounded(cert_path, MAX_PEM))
    key = load_key()
    if key.public_key() != certificate.public_key():
        raise IdentityUnusable("certificate and key do not belong together")
    return Identity(identify_peer(certificate), certificate, cert_path, key)


def load_authorities(paths: Iterable[Path]) -> list[x509.Certificate]:
    """Return every certificate of the readable files."""
    found: list[x509.Certificate] = []
    for path in paths:
        with contextlib.suppress(OSError, IdentityError, UnsupportedAlgorithm):
            found += load_bundle(read_bounded(path, MAX_BUNDLE))
    return found
