# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# Copied by scripts/generate_module_utils.py from src/flotta/identity/authority.py: change that.
"""The fleet's certificate authority and the four classes of certificates it issues.

The profiles are in docs/reference/wire-protocol.md#certificate-classes. They keep rules of RFC 5280
that Flotta v0.2 broke: random serial numbers, key identifiers, one extended key usage for each
class, and basic constraints that stop a device from issuing certificates itself.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import NamedTuple

try:
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier
except ImportError:  # the plugin that needs it says so
    x509 = serialization = CertificatePublicKeyTypes = ExtendedKeyUsageOID = NameOID = ObjectIdentifier = None

from ..identity.errors import IdentityError
from ..identity.issuers import issued_by, load_bundle
from ..identity.keys import PrivateKey, key_to_pem, load_key, new_key
from ..identity.lifetime import normalize_name
from ..identity.requests import signature_hash
from ..own_names import EDGE_API

ORGANIZATION = "flotta-operator"
REGISTRATION_NAME = "register"
# Common names that devices may not have: a data store may know the Edge API by its name alone.
RESERVED_NAMES = (REGISTRATION_NAME, EDGE_API)
MAX_NAME_LENGTH = 64  # characters; ub-common-name, RFC 5280 appendix A
# Certificates begin this long before they are signed, for clocks that are behind.
CLOCK_SKEW = timedelta(minutes=5)
MAX_DAYS = 200 * 365  # days; longer than any authority lives


class AuthorityError(IdentityError):
    """The authority's own certificate or key is unusable, or it cannot issue what was requested."""


class CertificateAndKey(NamedTuple):
    """A certificate and its private key (form: `key_to_pem`), both PEM."""

    certificate: bytes
    key: bytes


@dataclass(frozen=True)
class _Profile:
    subject: x509.Name
    usage: ObjectIdentifier
    days: int
    names: tuple[x509.GeneralName, ...] = ()
    since: datetime | None = None  # the beginning of its validity, if that is not now
    until: datetime | None = None  # its end, instead of `days`


class Authority:
    """Issues certificates with one CA key. Clients have to trust `certificate_pem`."""

    def __init__(self, certificate: x509.Certificate, key: PrivateKey, bundle: bytes) -> None:
        self._certificate = certificate
        self._key = key
        self.certificate_pem = bundle

    @property
    def certificate(self) -> x509.Certificate:
        """The certificate that issues."""
        return self._certificate

    @cached_property
    def has_others(self) -> bool:
        """Whether the bundle trusts further CAs besides the one that issues."""
        return len(load_bundle(self.certificate_pem)) > 1

    @cached_property
    def identifier(self) -> str:
        """The key identifier, in hex, that the certificates it issues name as their authority."""
        return key_identifier(self._certificate)

    @property
    def key_pem(self) -> bytes:
        """The private key as unencrypted PEM (form: `key_to_pem`)."""
        return key_to_pem(self._key)

    @classmethod
    def create(
        cls,
        common_name: str,
        organization: str = ORGANIZATION,
        days: int = 3650,
        since: datetime | None = None,
    ) -> Authority:
        """Return a new self-signed P-256 authority that may sign leaves, and one further CA.

        That one is its successor (`cross_sign`). It is valid `since` a moment, by default a few
        minutes ago.
        """
        key = new_key()
        subject = _build_name(common_name, (organization,))
        builder = _start_builder(subject, subject, key.public_key(), days, since=since)
        identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        certificate = _add_authority_extensions(
            builder,
            identifier,
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier),
            path_length=1,
        ).sign(key, signature_hash(key))
        return cls(certificate, key, certificate.public_bytes(serialization.Encoding.PEM))

    @classmethod
    def from_pem(cls, certificate_pem: bytes | str, key_pem: bytes | str) -> Authority:
        """Return the authority of an existing certificate and key.

        They may come from this class, from v0.2 or from the user's own PKI (EC, RSA).

        `certificate_pem` may be a bundle: the certificate of the key issues, all of them are
        trusted (docs/explanation/security.md#how-certificates-are-issued-renewed-and-revoked).
        """
        bundle = certificate_pem.encode() if isinstance(certificate_pem, str) else certificate_pem
        key = load_key(key_pem)
        try:
            certificates = x509.load_pem_x509_certificates(bundle)
        except ValueError as error:
            raise AuthorityError("The CA certificate is not a readable PEM.") from error
        own = [item for item in certificates if item.public_key() == key.public_key()]
        if not own:
            raise AuthorityError("The CA certificate does not belong to the CA key.")
        if not _is_authority(own[0]):
            raise AuthorityError(
                "The certificate in ca.crt is not a CA certificate (basic constraints CA:TRUE)."
            )
        return cls(own[0], key, bundle)

    def succeeded_by(self, successor: Authority) -> Authority:
        """Return the successor as an authority whose bundle trusts this one's bundle, too."""
        bundle = successor.certificate_pem + self.certificate_pem
        return Authority(successor._certificate, successor._key, bundle)

    def without(self, others: Sequence[x509.Certificate]) -> Authority:
        """Return the authority with a bundle that holds others no longer, and itself first."""
        kept = [self._certificate]
        for other in load_bundle(self.certificate_pem):
            if other not in kept and other not in others:
                kept.append(other)
        pems = (item.public_bytes(serialization.Encoding.PEM) for item in kept)
        return Authority(self._certificate, self._key, b"".join(pems))

    def cross_sign(self, successor: Authority) -> bytes:
        """Return the PEM of the successor's name and key, signed by this authority.

        With it, who knows this authority alone verifies what the successor issued (RFC 4210,
        4.4.1, "NewWithOld"; RFC 5280, 3.2, "self-issued"). If this authority has expired, so has
        what it signs: devices, whose clocks may be wrong, accept it all the same.
        """
        other, own = successor._certificate, self._certificate
        end = min(other.not_valid_after_utc, own.not_valid_after_utc)
        since = min(datetime.now(UTC).replace(microsecond=0), end) - CLOCK_SKEW
        public_key = successor._key.public_key()
        builder = _start_builder(other.subject, own.subject, public_key, MAX_DAYS, end, since)
        identifier = x509.SubjectKeyIdentifier.from_public_key(public_key)
        certificate = _add_authority_extensions(
            builder, identifier, self._key_identifier(), path_length=0
        ).sign(self._key, signature_hash(self._key))
        return certificate.public_bytes(serialization.Encoding.PEM)

    def issue_server(
        self, names: Sequence[str], days: int = 365, since: datetime | None = None
    ) -> CertificateAndKey:
        """Return a server certificate and its key for DNS names and addresses."""
        if not names:
            raise AuthorityError("A server certificate needs at least one name.")
        short = [name for name in map(normalize_name, names) if len(name) <= MAX_NAME_LENGTH]
        subject = _build_name(short[0] if short else "server", (ORGANIZATION,))
        alternatives = tuple(map(_general_name, names))
        usage = ExtendedKeyUsageOID.SERVER_AUTH
        return self._issue(_Profile(subject, usage, days, alternatives, since))

    def issue_registration(
        self,
        namespaces: Sequence[str] = ("default",),
        days: int = 365,
        until: datetime | None = None,
    ) -> CertificateAndKey:
        """Return what a new device enrols with, valid for the given namespaces only.

        It is valid for so many days, or `until` a moment.
        """
        subject = _build_name(REGISTRATION_NAME, (ORGANIZATION,), namespaces)
        usage = ExtendedKeyUsageOID.CLIENT_AUTH
        return self._issue(_Profile(subject, usage, days, until=until))

    def has_issued(self, certificate: x509.Certificate) -> bool:
        """Tell whether this authority's own key, not another of its bundle, signed it."""
        return issued_by(certificate, [self._certificate])

    @property
    def not_after(self) -> datetime:
        """The end of the authority's certificate, and of all that it issues."""
        return self._certificate.not_valid_after_utc

    def issue_client(
        self, common_name: str, organizations: Sequence[str] = (), days: int = 365
    ) -> CertificateAndKey:
        """Return a client certificate and key for the resource API.

        CN is the user, O are the groups.
        """
        subject = _build_name(common_name, organizations)
        return self._issue(_Profile(subject, ExtendedKeyUsageOID.CLIENT_AUTH, days))

    def sign_device(
        self,
        csr: x509.CertificateSigningRequest,
        device_id: str,
        namespace: str,
        uid: str,
        days: int,
    ) -> bytes:
        """Return the PEM certificate of a device. Nothing but its key is taken from the request.

        `uid` is the UID of the EdgeDevice; the certificate is accepted only while that object
        exists (docs/reference/wire-protocol.md#device-id-and-namespace).
        """
        if device_id in RESERVED_NAMES:
            raise AuthorityError(f"The device id {device_id!r} is reserved.")
        subject = _build_name(device_id, (ORGANIZATION,), (namespace,))
        owner = (x509.UniformResourceIdentifier(f"urn:uuid:{uid}"),)
        profile = _Profile(subject, ExtendedKeyUsageOID.CLIENT_AUTH, days, owner)
        return self._sign(csr.public_key(), profile)

    def _issue(self, profile: _Profile) -> CertificateAndKey:
        key = new_key()
        return CertificateAndKey(self._sign(key.public_key(), profile), key_to_pem(key))

    def _sign(self, public_key: CertificatePublicKeyTypes, profile: _Profile) -> bytes:
        if self.not_after <= datetime.now(UTC):
            raise AuthorityError(
                f"The CA expired at {self.not_after.isoformat()} and issues nothing any more. "
                "Roll it over: flotta certificates roll-ca"
            )
        end = min(self.not_after, profile.until) if profile.until else self.not_after
        builder = _start_builder(
            profile.subject,
            self._certificate.subject,
            public_key,
            MAX_DAYS if profile.until else profile.days,
            end,
            profile.since,
        )
        builder = (
            builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_build_key_usage(authority=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([profile.usage]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
            .add_extension(self._key_identifier(), critical=False)
        )
        if profile.names:
            alternative = x509.SubjectAlternativeName(profile.names)
            builder = builder.add_extension(alternative, critical=False)
        certificate = builder.sign(self._key, signature_hash(self._key))
        return certificate.public_bytes(serialization.Encoding.PEM)

    def _key_identifier(self) -> x509.AuthorityKeyIdentifier:
        digest = bytes.fromhex(key_identifier(self._certificate))
        return x509.AuthorityKeyIdentifier(digest, None, None)


def key_identifier(authority: x509.Certificate) -> str:
    """Return, in hex, how certificates name the CA that issued them (RFC 5280, 4.2.1.1)."""
    try:
        own = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:
        own = x509.SubjectKeyIdentifier.from_public_key(authority.public_key())
    return own.digest.hex()


def _add_authority_extensions(
    builder: x509.CertificateBuilder,
    identifier: x509.SubjectKeyIdentifier,
    issuer: x509.AuthorityKeyIdentifier,
    path_length: int,
) -> x509.CertificateBuilder:
    return (
        builder.add_extension(
            x509.BasicConstraints(ca=True, path_length=path_length), critical=True
        )
        .add_extension(_build_key_usage(authority=True), critical=True)
        .add_extension(identifier, critical=False)
        .add_extension(issuer, critical=False)
    )


def _start_builder(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: CertificatePublicKeyTypes,
    days: int,
    latest_end: datetime | None = None,
    since: datetime | None = None,
) -> x509.CertificateBuilder:
    now = datetime.now(UTC).replace(microsecond=0)
    end = now + timedelta(days=days)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(since or now - CLOCK_SKEW)
        .not_valid_after(min(end, latest_end) if latest_end else end)
    )


def _build_name(
    common_name: str, organizations: Sequence[str] = (), units: Sequence[str] = ()
) -> x509.Name:
    for text in (common_name, *organizations, *units):
        if not 0 < len(text) <= MAX_NAME_LENGTH:
            raise AuthorityError(
                f"The name {text!r} does not fit into a certificate: use 1 to 64 characters."
            )
    return x509.Name(
        [
            *(x509.NameAttribute(NameOID.ORGANIZATION_NAME, text) for text in organizations),
            *(x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, text) for text in units),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _general_name(name: str) -> x509.GeneralName:
    normal = normalize_name(name)
    try:
        return x509.IPAddress(ipaddress.ip_address(normal))
    except ValueError:
        return x509.DNSName(normal)


def _build_key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    except x509.ExtensionNotFound:
        return False
    return constraints.value.ca
