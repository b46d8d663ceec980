"""A certificate with its private key, in PEM."""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from flotta.identity.errors import IdentityError
from flotta.identity.holder import Peer
from flotta.identity.keys import PrivateKey, load_key
from flotta.identity.lifetime import load_certificate
from flotta.identity.peers import identify_peer
from flotta.protocol.reasons.device_programs import CERTIFICATE_UNUSABLE
from flotta.worker.errors import DeliveryError

MAX_PEM = 128 * 1024  # bytes of each file


@dataclass(frozen=True)
class Pair:
    """The content of the two files; what cannot be read is empty."""

    certificate: bytes
    key: bytes = field(repr=False)

    @property
    def fits(self) -> bool:
        """Whether both can be read and belong together."""
        try:
            open_pair(self)
        except DeliveryError:
            return False
        return True


@dataclass(frozen=True)
class OpenPair:
    """A certificate and its key, read."""

    pair: Pair
    certificate: x509.Certificate
    peer: Peer
    key: PrivateKey = field(repr=False)

    @property
    def is_device(self) -> bool:
        """Whether it is the device's own certificate, not the one for registration."""
        return self.peer.kind == "device"


def open_pair(pair: Pair) -> OpenPair:
    """Read both; raises DeliveryError with the reason CertificateUnusable."""
    try:
        certificate, key = load_certificate(pair.certificate), load_key(pair.key)
        if certificate.public_key() != key.public_key():
            raise IdentityError("Certificate and key do not belong together.")
        return OpenPair(pair, certificate, identify_peer(certificate), key)
    except (IdentityError, UnsupportedAlgorithm) as error:
        raise DeliveryError(str(error), reason=CERTIFICATE_UNUSABLE) from error


def is_certificate(pem: bytes) -> bool:
    """Tell whether the bytes are a certificate."""
    try:
        load_certificate(pem)
    except IdentityError:
        return False
    return True


def is_key(pem: bytes) -> bool:
    """Tell whether the bytes are a private key."""
    try:
        load_key(pem)
    except IdentityError:
        return False
    return True
