"""CAs as tests need them."""

from __future__ import annotations

from flotta.identity.authority import Authority
from flotta.identity.issuers import load_bundle


def alone(authority: Authority) -> Authority:
    """Return the authority with a bundle that holds nothing but the certificate that issues."""
    return authority.without(load_bundle(authority.certificate_pem))
