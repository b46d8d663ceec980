"""Certificates as a control plane of v0.2 makes them.

All have both extended key usages and none has basic constraints but the CA; server and registration
certificate have the same constant subject key identifier and the serial number of the CA. Keys are
SEC 1 or PKCS#1, of the type of the CA's key.
"""

from __future__ import annotations

import ipaddress
import time
from datetime import UTC, datetime, timedelta
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from flotta.identity.authority import CertificateAndKey

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
KeyType = Literal["EC", "RSA"]
BOTH = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH])
CONSTANT_SKI = x509.SubjectKeyIdentifier(bytes((1, 2, 3, 4, 6)))
ORGANIZATION = "flotta-operator"
RSA_BITS = 2048  # v0.2 makes 4096, which takes a second each and proves no more


def new_key(kind: KeyType) -> Key:
    if kind == "RSA":
        return rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS)
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(key: Key) -> bytes:
    """Return the key as v0.2 writes it: SEC 1 or PKCS#1."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )


class FormerAuthority:
    """The CA of one control plane."""

    def __init__(self, kind: KeyType = "EC") -> None:
        self.kind: KeyType = kind
        self.key = new_key(kind)
        self.serial = int(time.time())
        self.certificate = self._sign_own()
        self.certificate_pem = self.certificate.public_bytes(serialization.Encoding.PEM)
        self.key_pem = key_pem(self.key)

    def server(self, domain: str = "project-flotta.io") -> CertificateAndKey:
        """Return the server certificate: CN `*`, one name and the loopback addresses."""
        addresses = (ipaddress.ip_address(text) for text in ("127.0.0.1", "::1"))
        names = [x509.DNSName(domain), *map(x509.IPAddress, addresses)]
        return self._pair(_name(NameOID.COMMON_NAME, "*"), x509.SubjectAlternativeName(names))

    def registration(self, name: str = "reg-client-ca-abcdefghij") -> CertificateAndKey:
        subject = _name(NameOID.COMMON_NAME, "register", NameOID.SERIAL_NUMBER, name)
        return self._pair(subject)

    def device(
        self,
        request: x509.CertificateSigningRequest,
        device_id: str,
        namespace: str = "default",
        *,
        begin: timedelta = timedelta(days=-1),
        end: timedelta = timedelta(days=30),
    ) -> bytes:
        """Sign the request of a device, whatever it asks for; return PEM."""
        subject = _name(NameOID.COMMON_NAME, device_id, NameOID.ORGANIZATIONAL_UNIT_NAME, namespace)
        key = request.public_key()
        builder = self._builder(subject, key, int(time.time()), begin, end)
        return self._sign(builder).public_bytes(serialization.Encoding.PEM)

    def _pair(
        self, subject: x509.Name, names: x509.SubjectAlternativeName | None = None
    ) -> CertificateAndKey:
        key = new_key(self.kind)
        year = timedelta(days=365)
        builder = self._builder(subject, key.public_key(), self.serial, timedelta(0), year)
        builder = builder.add_extension(CONSTANT_SKI, critical=False)
        if names is not None:
            builder = builder.add_extension(names, critical=False)
        pem = self._sign(builder).public_bytes(serialization.Encoding.PEM)
        return CertificateAndKey(pem, key_pem(key))

    def _sign_own(self) -> x509.Certificate:
        subject = _name()
        public = self.key.public_key()
        usage = _key_usage(signs_certificates=True)
        return self._sign(
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(public)
            .serial_number(self.serial)
            .not_valid_before(datetime.now(UTC))
            .not_valid_after(datetime.now(UTC) + timedelta(days=3650))
            .add_extension(usage, critical=True)
            .add_extension(BOTH, critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        )

    def _builder(
        self, subject: x509.Name, key: object, serial: int, begin: timedelta, end: timedelta
    ) -> x509.CertificateBuilder:
        own = self.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        issued = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.certificate.subject)
            .public_key(key)  # type: ignore[arg-type]
            .serial_number(serial)
            .not_valid_before(datetime.now(UTC) + begin)
            .not_valid_after(datetime.now(UTC) + end)
            .add_extension(_key_usage(), critical=True)
            .add_extension(BOTH, critical=False)
            .add_extension(issued, critical=False)
        )

    def _sign(self, builder: x509.CertificateBuilder) -> x509.Certificate:
        return builder.sign(self.key, hashes.SHA256())


def _name(*pairs: object) -> x509.Name:
    own = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANIZATION)]
    given = zip(pairs[::2], pairs[1::2], strict=True)
    return x509.Name(own + [x509.NameAttribute(oid, text) for oid, text in given])  # type: ignore[arg-type]


def _key_usage(*, signs_certificates: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
