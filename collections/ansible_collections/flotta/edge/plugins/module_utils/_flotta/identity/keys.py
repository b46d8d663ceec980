# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/identity/keys.py: change that.
"""Private keys: generated as P-256, read in every usual PEM form, written in the traditional one.

The traditional forms are SEC 1 (RFC 5915) and PKCS#1 (RFC 8017). Agents and control planes of
Flotta v0.2 read no other (docs/reference/wire-protocol.md#certificate-classes).
"""

from __future__ import annotations

import hashlib
import re
from typing import TypeAlias, TypeGuard

try:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes
except ImportError:  # the plugin that needs it says so
    UnsupportedAlgorithm = serialization = ec = ed25519 = rsa = PrivateKeyTypes = PublicKeyTypes = None

from ..identity.errors import IdentityError

# Text, as this module is to be importable without cryptography: the collection uses it too.
PrivateKey: TypeAlias = "ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey"

MIN_RSA_BITS = 2048  # of the modulus
NEW_RSA_BITS = 3072  # as strong as P-256 (NIST SP 800-57, part 1)
TRADITIONAL_LABELS = (b"EC PRIVATE KEY", b"RSA PRIVATE KEY")
FIRST_LABEL = re.compile(rb"^-----BEGIN ([A-Z0-9 ]+)-----", re.MULTILINE)


class KeyFormatError(IdentityError):
    """The PEM is not a private key of an accepted form and type."""


def new_key() -> ec.EllipticCurvePrivateKey:
    """Return a new P-256 private key."""
    return ec.generate_private_key(ec.SECP256R1())


def new_key_like(present: PublicKeyTypes | None) -> PrivateKey:
    """Return a new private key: RSA if the present key is, else P-256.

    A control plane of v0.2 with an RSA CA signs requests of RSA keys only; the keys that it issues
    are RSA too.
    """
    if isinstance(present, rsa.RSAPublicKey):
        return rsa.generate_private_key(public_exponent=65537, key_size=NEW_RSA_BITS)
    return new_key()


def key_to_pem(key: PrivateKey) -> bytes:
    """Return the key as unencrypted PEM: EC as SEC 1, RSA as PKCS#1, Ed25519 as PKCS#8.

    Ed25519 has no form but PKCS#8 (RFC 8410).
    """
    pkcs8_only = isinstance(key, ed25519.Ed25519PrivateKey)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8
        if pkcs8_only
        else serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )


def to_traditional_pem(pem: bytes) -> bytes:
    """Return the PEM of the same key in the form of `key_to_pem`.

    A PEM whose first block has that form is returned as it is: v0.2 reads the first block only.
    Raises KeyFormatError as `load_key` does.
    """
    first = FIRST_LABEL.search(pem)
    if first and first[1] in TRADITIONAL_LABELS:
        return pem
    key = load_key(pem)
    return pem if isinstance(key, ed25519.Ed25519PrivateKey) else key_to_pem(key)


def load_key(pem: bytes | str) -> PrivateKey:
    """Return the private key of a PKCS#8, SEC 1 or PKCS#1 PEM.

    The latter two are what Flotta v0.2 writes; PKCS#8 is what `openssl genpkey` and former releases
    of flotta.edge write.
    """
    try:
        key = serialization.load_pem_private_key(_as_bytes(pem), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeyFormatError(f"The private key cannot be read: {_reason(error)}.") from error
    if not _is_usable(key) or not strong_enough(key.public_key()):
        raise KeyFormatError(
            "The private key is neither EC (P-256, P-384, P-521), Ed25519 nor RSA of 2048 bits."
        )
    return key


def public_key_fingerprint(public_key: PublicKeyTypes) -> str:
    """Return the SHA-256 of the SubjectPublicKeyInfo DER in lower-case hex."""
    spki = public_key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return hashlib.sha256(spki).hexdigest()


def strong_enough(public_key: PublicKeyTypes) -> bool:
    """Tell whether a key is of an accepted type and size."""
    if isinstance(public_key, ec.EllipticCurvePublicKey):
        return isinstance(public_key.curve, (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1))
    if isinstance(public_key, rsa.RSAPublicKey):
        return public_key.key_size >= MIN_RSA_BITS
    return isinstance(public_key, ed25519.Ed25519PublicKey)


def _is_usable(key: PrivateKeyTypes) -> TypeGuard[PrivateKey]:
    usable = (ec.EllipticCurvePrivateKey, rsa.RSAPrivateKey, ed25519.Ed25519PrivateKey)
    return isinstance(key, usable)


def _as_bytes(pem: bytes | str) -> bytes:
    return pem.encode() if isinstance(pem, str) else pem


def _reason(error: Exception) -> str:
    """Return a fixed sentence: the parser's own messages may quote the key."""
    return "it is encrypted" if isinstance(error, TypeError) else "it is not a PEM private key"
