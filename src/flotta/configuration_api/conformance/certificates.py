"""Whether the certificate that a store has to refuse can show anything."""

from __future__ import annotations

from pathlib import Path

from cryptography import x509


def require_comparable(certificate: Path, other: Path) -> None:
    """Raise ValueError unless `other` is of the CA of the Edge API's `certificate`, for another.

    A store refuses certificates of other CAs by TLS alone, whomever else it serves.
    """
    own, stranger = _read(certificate), _read(other)
    if own.issuer != stranger.issuer or _issuing_key(own) != _issuing_key(stranger):
        raise ValueError(
            f"--other-cert {other} is of another CA than --cert, so that it is refused shows "
            "nothing: use one that the same CA has issued, such as a device's"
        )
    if own.subject == stranger.subject:
        raise ValueError(
            f"--other-cert {other} is for {own.subject.rfc4514_string()}, as --cert is: use one "
            "for somebody else, such as a device's"
        )


def _read(file: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(file.read_bytes())
    except ValueError as error:
        raise ValueError(f"{file} is not a certificate in PEM") from error


def _issuing_key(certificate: x509.Certificate) -> bytes | None:
    try:
        found = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)
    except x509.ExtensionNotFound:
        return None
    return found.value.key_identifier
