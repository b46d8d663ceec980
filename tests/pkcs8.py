"""Private keys in the form that former releases wrote."""

from __future__ import annotations

from cryptography.hazmat.primitives import serialization

from flotta.identity.keys import PrivateKey, load_key


def to_pkcs8(key: PrivateKey | bytes) -> bytes:
    """Return the PKCS#8 PEM of a key or of its PEM."""
    loaded = load_key(key) if isinstance(key, bytes) else key
    return loaded.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
