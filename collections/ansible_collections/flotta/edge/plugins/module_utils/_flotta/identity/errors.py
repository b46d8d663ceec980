# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/identity/errors.py: change that.
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
