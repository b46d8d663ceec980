# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# Copied by scripts/generate_module_utils.py from src/flotta/identity/requests.py: change that.
"""PKCS#10 certificate requests of devices (RFC 2986)."""

from __future__ import annotations

try:
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ed25519
    from cryptography.x509.oid import NameOID
except ImportError:  # the plugin that needs it says so
    x509 = UnsupportedAlgorithm = hashes = serialization = ed25519 = NameOID = None

from ..identity.errors import IdentityError
from ..identity.keys import PrivateKey, strong_enough

MAX_REQUEST = 16 * 1024  # bytes


class RequestError(IdentityError):
    """The certificate request is not accepted."""


def certificate_request(key: PrivateKey, device_id: str) -> bytes:
    """Return a PEM request whose subject is the device id as CN, without extensions."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, device_id)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    request = builder.sign(key, signature_hash(key))
    return request.public_bytes(serialization.Encoding.PEM)


def load_request(pem: bytes | str) -> x509.CertificateSigningRequest:
    """Return the request of a PEM text after checking that its sender holds the private key.

    Raises RequestError when it cannot be read, its self-signature is wrong (servers of v0.2
    accepted that) or its key is weak.
    """
    data = pem.encode() if isinstance(pem, str) else pem
    if len(data) > MAX_REQUEST:
        raise RequestError("The certificate request is longer than 16 KiB.")
    try:
        request = x509.load_pem_x509_csr(data)
        genuine = request.is_signature_valid
        public_key = request.public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise RequestError("The certificate request is not readable as PKCS#10 in PEM.") from error
    if not genuine:
        raise RequestError("The certificate request is not signed by its own key.")
    if not strong_enough(public_key):
        raise RequestError(
            "The key of the certificate request is neither EC (P-256, P-384, P-521), "
            "Ed25519 nor RSA of at least 2048 bits."
        )
    return request


def signature_hash(key: PrivateKey) -> hashes.SHA256 | None:
    """Return the hash to sign with: Ed25519 brings its own."""
    return None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
