# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/identity/lifetime.py: change that.
"""The validity of a certificate, the time of its renewal, and the names it covers."""

from __future__ import annotations

import ipaddress
from datetime import datetime

try:
    from cryptography import x509
except ImportError:  # the plugin that needs it says so
    x509 = None

from ..identity.errors import IdentityError


class CertificateError(IdentityError):
    """The PEM is not a certificate."""


def load_certificate(pem: bytes | str) -> x509.Certificate:
    """Return the first certificate of a PEM text."""
    try:
        return x509.load_pem_x509_certificate(pem.encode() if isinstance(pem, str) else pem)
    except (ValueError, x509.InvalidVersion) as error:
        raise CertificateError("The certificate is not a readable PEM certificate.") from error


def valid_at(certificate: x509.Certificate, now: datetime) -> bool:
    """Tell whether `now` (with zone) is in the validity period, both ends included."""
    return certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc


def renewal_time(certificate: x509.Certificate) -> datetime:
    """Return the moment at which two thirds of the certificate's validity have passed."""
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return start + (end - start) * 2 / 3


def renewal_due(pem: bytes | str, now: datetime) -> bool:
    """Tell whether two thirds of the certificate's validity have passed."""
    return now >= renewal_time(load_certificate(pem))


def covered_names(pem: bytes | str) -> frozenset[str]:
    """Return the DNS names and addresses of the certificate's subject alternative name."""
    try:
        extension = load_certificate(pem).extensions.get_extension_for_class(
            x509.SubjectAlternativeName
        )
    except x509.ExtensionNotFound:
        return frozenset()
    names = extension.value
    addresses = (str(address) for address in names.get_values_for_type(x509.IPAddress))
    return frozenset({*names.get_values_for_type(x509.DNSName), *addresses})


def covers(pem: bytes | str, names: list[str]) -> bool:
    """Tell whether every name or address is in the certificate (addresses in any notation)."""
    return {normalize_name(name) for name in names} <= covered_names(pem)


def normalize_name(name: str) -> str:
    """Return the form of a name or address in certificates that `authority` issues."""
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return name.encode("idna").decode() if not name.isascii() else name
