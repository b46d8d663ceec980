"""Errors of this package.

    IdentityError
    ├── KeyFormatError     keys.py
    ├── RequestError       requests.py
    ├── AuthorityError     authority.py
    ├── CertificateError   lifetime.py
    ├── BundleError        issuers.py
    └── PeerError          peers.py

Each text is a sentence for an administrator and never contains key material.
"""

from __future__ import annotations


class IdentityError(ValueError):
    """Something about a key, a request or a certificate is not acceptable."""
