"""Errors of this package.

    IdentityError
    ├── KeyFormatError     keys.py
    ├── RequestError       requests.py
    ├── AuthorityError     authority.py
    ├── CertificateError   lifetime.py
    └── PeerError          peers.py

The text of each is a sentence for the operator and never contains key material.
"""

from __future__ import annotations


class IdentityError(ValueError):
    """Something about a key, a request or a certificate is not acceptable."""
