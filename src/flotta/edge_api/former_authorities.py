"""CAs that were trusted and are no longer, and the connections that they authenticated.

TLS verifies a certificate once for each connection, so a connection that was made before a CA was
taken out would outlive it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from cryptography import x509

from flotta.identity.issuers import issued_by, load_bundle

CACHED = 8192  # certificates whose issuer was looked up


class FormerAuthorities:
    """Follows the bundle of trusted CAs from the start of the server."""

    def __init__(self) -> None:
        self._trusted: list[x509.Certificate] = []
        self._gone: list[x509.Certificate] = []
        self._judge: Callable[[bytes], bool] = lambda _: False

    def follow(self, bundle: bytes) -> bool:
        """Note which CAs (PEM) are trusted now; return whether others were until now."""
        trusted = load_bundle(bundle)
        left = [item for item in self._trusted if item not in trusted]
        self._gone = [item for item in [*self._gone, *left] if item not in trusted]
        self._trusted = trusted
        self._judge = lru_cache(CACHED)(self._is_of_former)
        return bool(left)

    def shuts_out(self, der: bytes) -> bool:
        """Tell whether a DER certificate that TLS accepted is of a CA that is trusted no longer."""
        return bool(self._gone) and self._judge(der)

    def _is_of_former(self, der: bytes) -> bool:
        # By signatures: who has the key of a former CA can name any other as the issuer.
        certificate = x509.load_der_x509_certificate(der)
        return issued_by(certificate, self._gone) and not issued_by(certificate, self._trusted)
