"""Certificates that no flotta control plane issued."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Pair = tuple[bytes, bytes]


def authority(organization: str) -> Pair:
    """Return certificate and key of a new CA with this subject organization."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization)])
    builder = _builder(name, name, key.public_key()).add_extension(
        x509.BasicConstraints(ca=True, path_length=0), critical=True
    )
    return _pair(builder.sign(key, hashes.SHA256()), key)


def issue(signer: Pair, common_name: str, *, self_signed: bool = False) -> Pair:
    """Return a certificate that looks like one of the fleet: signed by `signer`, or self-signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "flotta-operator"),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "default"),
        ]
    )
    issuer = x509.load_pem_x509_certificate(signer[0]).subject
    signing = serialization.load_pem_private_key(signer[1], None)
    assert isinstance(signing, ec.EllipticCurvePrivateKey)
    builder = _builder(name, name if self_signed else issuer, key.public_key()).add_extension(
        x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False
    )
    return _pair(builder.sign(key if self_signed else signing, hashes.SHA256()), key)


def _builder(
    subject: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
    )


def _pair(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Pair:
    encoding = serialization.Encoding.PEM
    private = key.private_bytes(
        encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(encoding), private
