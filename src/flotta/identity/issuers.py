"""Which authority issued a certificate."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from flotta.identity.errors import IdentityError


class BundleError(IdentityError):
    """The PEM is not a bundle of certificates."""


def load_bundle(pem: bytes | str) -> list[x509.Certificate]:
    """Return every certificate of a PEM text; raises BundleError when there is none."""
    try:
        return x509.load_pem_x509_certificates(pem.encode() if isinstance(pem, str) else pem)
    except (ValueError, x509.InvalidVersion) as error:
        raise BundleError("The CA certificate is not a readable PEM.") from error


def issued_by(certificate: x509.Certificate, authorities: Iterable[x509.Certificate]) -> bool:
    """Tell whether one of the authorities signed the certificate itself."""
    for authority in authorities:
        with contextlib.suppress(ValueError, TypeError, InvalidSignature):
            certificate.verify_directly_issued_by(authority)
            return True
    return False
