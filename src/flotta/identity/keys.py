"""Private keys: generated as P-256, written as PKCS#8, read in every usual PEM form."""

from __future__ import annotations

import hashlib

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from flotta.identity.errors import IdentityError

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey

MIN_RSA_BITS = 2048  # of the modulus
ACCEPTED_CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)


class KeyFormatError(IdentityError):
    """The PEM is not a private key of an accepted form and type."""


def new_key() -> ec.EllipticCurvePrivateKey:
    """Return a new P-256 private key."""
    return ec.generate_private_key(ec.SECP256R1())


def key_to_pem(key: PrivateKey) -> bytes:
    """Return the key as unencrypted PKCS#8 PEM (RFC 5958)."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def load_key(pem: bytes | str) -> PrivateKey:
    """Return the private key of a PKCS#8, SEC 1 or PKCS#1 PEM.

    The latter two are what Flotta v0.2 wrote into its Secrets and onto its devices.
    """
    try:
        key = serialization.load_pem_private_key(_as_bytes(pem), password=None)
    except (ValueError, TypeError) as error:
        raise KeyFormatError(f"The private key cannot be read: {_reason(error)}.") from error
    if not isinstance(key, PrivateKey) or not strong_enough(key.public_key()):
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
        return isinstance(public_key.curve, ACCEPTED_CURVES)
    if isinstance(public_key, rsa.RSAPublicKey):
        return public_key.key_size >= MIN_RSA_BITS
    return isinstance(public_key, ed25519.Ed25519PublicKey)


def _as_bytes(pem: bytes | str) -> bytes:
    return pem.encode() if isinstance(pem, str) else pem


def _reason(error: Exception) -> str:
    """Return a fixed sentence: the parser's own messages may quote the key."""
    return "it is encrypted" if isinstance(error, TypeError) else "it is not a PEM private key"
