"""The CAs by which the device knows its server and its fleet.

Ansible writes them to `ca-root`. A registration may bring others (`ca_bundle`), which are kept with
the generation of the new certificate and count instead of `ca-root`, until that has another content
(docs/reference/device.md#trusted-cas):

    <folder>/2/ca.pem          the CAs that came with the certificate
    <folder>/2/ca-root.sha256  digest of the content of `ca-root` at that time, in hex
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from flotta.durable_files import read_bounded, write_atomically
from flotta.gateway.identity import MAX_BUNDLE, load_authorities
from flotta.identity.errors import IdentityError
from flotta.identity.issuers import issued_by, load_bundle

BUNDLE, ROOT_DIGEST = "ca.pem", "ca-root.sha256"
MAX_GIVEN = 64 * 1024  # bytes of a bundle that a registration brings
MAX_AUTHORITIES = 16  # certificates in it
DIGEST_SIZE = 200  # bytes read of the file
HEX_DIGEST = re.compile(rb"[0-9a-f]{64}")


class BundleRefused(IdentityError):
    """The CAs that a registration brought are not taken over."""


class Trust:
    """Tells which CAs count."""

    def __init__(self, ca_root: tuple[Path, ...]) -> None:
        self._ca_root = ca_root

    def choose(self, generation: Path | None) -> bytes | tuple[Path, ...]:
        """Return the PEM of the CAs that came with a generation, or the files in `ca-root`."""
        return self.read_bundle(generation) or self._ca_root

    def load(self, generation: Path | None) -> list[x509.Certificate]:
        """Return the CAs that count, as far as they can be read."""
        bundle = self.read_bundle(generation)
        return load_bundle(bundle) if bundle else load_authorities(self._ca_root)

    def read_bundle(self, generation: Path | None) -> bytes:
        """Return the CAs that came with a generation, b"" when `ca-root` counts."""
        if generation is None or not self.is_unchanged_since(generation):
            return b""
        return _read_kept(generation)

    def is_unchanged_since(self, generation: Path) -> bool:
        """Tell whether `ca-root` is as it was when the generation was installed.

        If the record of that is damaged, it is, provided that the CAs beside it are not.
        """
        recorded = b""
        with contextlib.suppress(OSError):
            recorded = read_bounded(generation / ROOT_DIGEST, DIGEST_SIZE).strip()
        if not HEX_DIGEST.fullmatch(recorded):
            return bool(_read_kept(generation))
        return recorded.decode() == self._digest()

    def record(self, generation: Path, bundle: bytes) -> None:
        """Write the CAs, which may be none, into the folder of a generation that is not used."""
        write_atomically(generation / ROOT_DIGEST, f"{self._digest()}\n".encode())
        if bundle:
            write_atomically(generation / BUNDLE, bundle)

    def _digest(self) -> str:
        digest = hashlib.sha256()
        for path in self._ca_root:
            content = b""
            with contextlib.suppress(OSError):
                content = read_bounded(path, MAX_BUNDLE)
            digest.update(hashlib.sha256(content).digest())
        return digest.hexdigest()


def _read_kept(generation: Path) -> bytes:
    """Return the CAs in the folder of a generation, b"" if there are none or they are damaged."""
    with contextlib.suppress(OSError, IdentityError, UnsupportedAlgorithm):
        pem = read_bounded(generation / BUNDLE, MAX_GIVEN)
        _check_authorities(load_bundle(pem))
        return pem
    return b""


def check_bundle(pem: bytes, certificate: x509.Certificate) -> None:
    """Raise BundleRefused with a sentence unless the CAs may be trusted from now on.

    One of them must have issued the certificate that they came with.
    """
    if len(pem) > MAX_GIVEN:
        raise BundleRefused(f"The CAs are larger than {MAX_GIVEN} bytes.")
    authorities = load_bundle(pem)
    _check_authorities(authorities)
    if not issued_by(certificate, authorities):
        raise BundleRefused("None of the CAs issued the certificate that they came with.")


def _check_authorities(authorities: list[x509.Certificate]) -> None:
    if len(authorities) > MAX_AUTHORITIES:
        raise BundleRefused(f"There are more than {MAX_AUTHORITIES} CAs.")
    for authority in authorities:
        try:
            constraints = authority.extensions.get_extension_for_class(x509.BasicConstraints)
        except (x509.ExtensionNotFound, ValueError) as error:
            raise BundleRefused("One of the CAs has no basic constraints.") from error
        if not constraints.value.ca:
            raise BundleRefused("One of the CAs is not a CA.")
