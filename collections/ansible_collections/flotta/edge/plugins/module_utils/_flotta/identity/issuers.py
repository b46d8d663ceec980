# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/identity/issuers.py: change that.
"""Which authority issued a certificate."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

try:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature
except ImportError:  # the plugin that needs it says so
    x509 = InvalidSignature = None

from ..identity.errors import IdentityError


class BundleError(IdentityError):
    """The PEM is not a bundle of certificates."""


def load_bundle(pem: bytes | str) -> list[x509.Certificate]:
    """Return every certificate of a PEM text; raises BundleError when there is none."""
    try:
        return x509.load_pem_x509_certificates(pem.encode() if isinstance(pem, str) else pem)
    except (ValueError, x509.InvalidVersion) as error:
        raise BundleError("The CA certificate is not a readable PEM.") from error


def issued_by(certificate: x509.Certificate, authorities: Iterable[x509.Certificate]) -> bool:
    """Tell whether one of the authorities signed the certificate itself."""
    for authority in authorities:
        with contextlib.suppress(ValueError, TypeError, InvalidSignature):
            certificate.verify_directly_issued_by(authority)
            return True
    return False
