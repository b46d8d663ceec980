"""The CAs that a registration brings, and whether the device may trust them from then on.

Who has the key of the server is not the CA: a new CA needs the signature of one that the device
trusts already (RFC 4210, 4.4: the old CA vouches for the new one).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from flotta.identity.errors import IdentityError
from flotta.identity.issuers import issued_by, load_bundle

MAX_GIVEN = 64 * 1024  # bytes of a bundle that a registration brings
MAX_AUTHORITIES = 16  # certificates in it


class BundleRefused(IdentityError):
    """The CAs that a registration brought are not taken over."""


@dataclass(frozen=True)
class GivenBundle:
    """PEM texts: CAs, and the cross certificates that vouch for them."""

    authorities: bytes
    cross: bytes = b""

    def check(self, certificate: x509.Certificate, trusted: Sequence[x509.Certificate]) -> bytes:
        """Return the CAs as PEM; raises IdentityError with a sentence unless all may be trusted.

        One of them must have issued the certificate that they came with. Each must be one that is
        trusted already, or be signed by such a one, itself or through cross certificates.
        """
        authorities = read_authorities(self.authorities)
        if not issued_by(certificate, authorities):
            raise BundleRefused("None of the CAs issued the certificate that they came with.")
        known = _extend(trusted, read_authorities(self.cross) if self.cross else [])
        for authority in authorities:
            if not _is_vouched_for(authority, known):
                raise BundleRefused(
                    "No CA that this device trusts vouches for the CA "
                    f"{authority.subject.rfc4514_string()} with the serial number "
                    f"{authority.serial_number:x}."
                )
        return b"".join(authority.public_bytes(Encoding.PEM) for authority in authorities)


def read_authorities(pem: bytes) -> list[x509.Certificate]:
    """Return the CAs of a bounded PEM text; raises IdentityError with a sentence."""
    if len(pem) > MAX_GIVEN:
        raise BundleRefused(f"The CAs are larger than {MAX_GIVEN} bytes.")
    authorities = load_bundle(pem)
    if len(authorities) > MAX_AUTHORITIES:
        raise BundleRefused(f"There are more than {MAX_AUTHORITIES} CAs.")
    for authority in authorities:
        try:
            constraints = authority.extensions.get_extension_for_class(x509.BasicConstraints)
        except (x509.ExtensionNotFound, ValueError) as error:
            raise BundleRefused("One of the CAs has no basic constraints.") from error
        if not constraints.value.ca:
            raise BundleRefused("One of the CAs is not a CA.")
    return authorities


def _extend(
    trusted: Sequence[x509.Certificate], cross: Sequence[x509.Certificate]
) -> list[x509.Certificate]:
    """Return what is trusted with the cross certificates that it vouches for, in any order."""
    known, left = list(trusted), list(cross)
    while found := [link for link in left if issued_by(link, known)]:
        known += found
        left = [link for link in left if link not in found]
    return known


def _is_vouched_for(authority: x509.Certificate, known: Sequence[x509.Certificate]) -> bool:
    same = any(
        (item.subject, item.public_key()) == (authority.subject, authority.public_key())
        for item in known
    )
    return same or issued_by(authority, known)
