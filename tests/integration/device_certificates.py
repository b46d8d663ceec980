"""Device certificates with any validity period, of this control plane and of v0.2."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import ExtensionOID

from flotta.identity.authority import Authority, CertificateAndKey
from flotta.identity.keys import key_to_pem, load_key, new_key
from flotta.identity.requests import certificate_request, load_request

UID_EXTENSION = ExtensionOID.SUBJECT_ALTERNATIVE_NAME


def issue_device(
    authority: Authority,
    device_id: str,
    uid: str | None,
    *,
    begin: timedelta = timedelta(days=-2),
    end: timedelta = timedelta(days=1),
    namespace: str = "default",
) -> CertificateAndKey:
    """Return a device certificate and key that is valid from now + `begin` to now + `end`.

    Without a UID it is one of a control plane of v0.2.
    """
    key = new_key()
    csr = load_request(certificate_request(key, device_id))
    pem = authority.sign_device(csr, device_id, namespace, uid or "none", 1)
    certificate = x509.load_pem_x509_certificate(pem)
    signer = load_key(authority.key_pem)
    builder = x509.CertificateBuilder(
        issuer_name=certificate.issuer,
        subject_name=certificate.subject,
        public_key=certificate.public_key(),
        serial_number=certificate.serial_number,
        not_valid_before=datetime.now(UTC) + begin,
        not_valid_after=datetime.now(UTC) + end,
        extensions=[item for item in certificate.extensions if uid or item.oid != UID_EXTENSION],
    )
    signed = builder.sign(signer, hashes.SHA256())  # type: ignore[arg-type]
    return CertificateAndKey(signed.public_bytes(serialization.Encoding.PEM), key_to_pem(key))
