# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/identity/peers.py: change that.
"""The peer of a connection, read from the leaf certificate alone.

The TLS layer has verified the chain and the possession of the key. Everything a server decides
afterwards (class, device id, namespace, validity) comes from here. The rules are in
docs/reference/wire-protocol.md#client-certificates.
"""

from __future__ import annotations

import hashlib

try:
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import Encoding
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier
except ImportError:  # the plugin that needs it says so
    x509 = UnsupportedAlgorithm = Encoding = ExtendedKeyUsageOID = NameOID = ObjectIdentifier = None

from ..dns1123 import is_label, is_subdomain
from ..identity.errors import IdentityError
from ..identity.holder import Peer
from ..identity.keys import public_key_fingerprint
from ..identity.subjects import MAX_NAME_LENGTH, ORGANIZATION, REGISTRATION_NAME

INITIAL_NAMESPACE = "default"  # certificates of v0.2 without OU mean this one
UID_PREFIX = "urn:uuid:"
MAX_DEVICE_ID = MAX_NAME_LENGTH  # characters, as the id is the common name


class PeerError(IdentityError):
    """The certificate is neither a registration nor a device certificate."""


def read_peer(der: bytes) -> Peer:
    """Return the holder of a DER certificate.

    Raises PeerError when it is neither a registration nor a device certificate.
    """
    try:
        certificate = x509.load_der_x509_certificate(der)
        _require_client_leaf(certificate)
        return _build_peer(certificate, der)
    except PeerError:
        raise
    except (
        ValueError,
        UnsupportedAlgorithm,
        x509.DuplicateExtension,
        x509.InvalidVersion,
    ) as error:
        raise PeerError("The client certificate cannot be read.") from error


def identify_peer(certificate: x509.Certificate) -> Peer:
    """Return the holder of a certificate; raises PeerError as `read_peer`."""
    return read_peer(certificate.public_bytes(Encoding.DER))


def _build_peer(certificate: x509.Certificate, der: bytes) -> Peer:
    device_id = _device_id(certificate)
    registration = device_id == REGISTRATION_NAME
    namespaces = certificate_namespaces(certificate)
    if not registration and len(namespaces) != 1:
        raise PeerError("The device certificate names more than one namespace.")
    return Peer(
        kind="registration" if registration else "device",
        device_id="" if registration else device_id,
        namespace=namespaces[0],
        namespaces=namespaces,
        uid=None if registration else _uid(certificate),
        fingerprint=hashlib.sha256(der).hexdigest(),
        public_key_fingerprint=public_key_fingerprint(certificate.public_key()),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        serial_number=f"{certificate.serial_number:x}",
        authority=authority_of(certificate),
    )


def _require_client_leaf(certificate: x509.Certificate) -> None:
    extensions = certificate.extensions
    try:
        if extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
            raise PeerError("The client presented a CA certificate.")
    except x509.ExtensionNotFound:
        pass  # certificates of v0.2 have no basic constraints
    try:
        usages = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound as error:
        raise PeerError(
            "The certificate has no extended key usage; it must be issued for clientAuth."
        ) from error
    if ExtendedKeyUsageOID.CLIENT_AUTH not in usages:
        raise PeerError(
            "The certificate is not issued for clientAuth; it may be a server certificate."
        )
    if ORGANIZATION not in _subject_values(certificate, NameOID.ORGANIZATION_NAME):
        raise PeerError(f"The certificate's organization is not {ORGANIZATION}.")


def _device_id(certificate: x509.Certificate) -> str:
    names = _subject_values(certificate, NameOID.COMMON_NAME)
    if len(names) != 1:
        raise PeerError("The certificate must have exactly one common name.")
    if names[0] == REGISTRATION_NAME:
        return REGISTRATION_NAME
    name = names[0].lower()
    # The server certificate of v0.2 is a client certificate for "*": it must not pass.
    if name == REGISTRATION_NAME or not is_device_id(name):
        raise PeerError(f"The common name {names[0]!r} is not a device id.")
    return name


def authority_of(certificate: x509.Certificate) -> str:
    """Return the hex key identifier of the CA that issued a certificate, "" when it names none."""
    try:
        extension = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)
    except x509.ExtensionNotFound:
        return ""
    return (extension.value.key_identifier or b"").hex()


def is_device_id(text: str) -> bool:
    """Tell whether a text can be a device id: a DNS-1123 subdomain of at most 64 characters."""
    return len(text) <= MAX_DEVICE_ID and is_subdomain(text)


def certificate_namespaces(certificate: x509.Certificate) -> tuple[str, ...]:
    """Return the namespaces that a certificate names; raises PeerError for other units."""
    units = _subject_values(certificate, NameOID.ORGANIZATIONAL_UNIT_NAME) or (INITIAL_NAMESPACE,)
    for unit in units:
        if not is_label(unit):
            raise PeerError(f"The organizational unit {unit!r} is not a namespace.")
    return units


def _uid(certificate: x509.Certificate) -> str | None:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return None
    uris = extension.value.get_values_for_type(x509.UniformResourceIdentifier)
    return next((uri.removeprefix(UID_PREFIX) for uri in uris if uri.startswith(UID_PREFIX)), None)


def _subject_values(certificate: x509.Certificate, oid: ObjectIdentifier) -> tuple[str, ...]:
    return tuple(
        str(attribute.value) for attribute in certificate.subject.get_attributes_for_oid(oid)
    )
