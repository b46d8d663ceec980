"""The CAs by which the device knows its server and its fleet.

Ansible writes them to `ca-root`. A registration may bring others (`ca_bundle`), which are kept with
the generation of the new certificate and count instead of `ca-root`, until that has other CAs, or
until another registration certificate is installed (docs/reference/device.md#trusted-cas):

    <folder>/2/ca.pem                   the CAs that came with the certificate
    <folder>/2/ca-root.sha256           digest of the CAs in `ca-root` at that time, in hex
    <folder>/2/registration.sha256      the same of the registration certificate, `none` without

What cannot be read now is taken for unchanged: a device must not lose its fleet to a bad disk.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding

from flotta.durable_files import read_bounded, write_atomically
from flotta.gateway.given_bundle import MAX_GIVEN, read_authorities
from flotta.gateway.identity import MAX_BUNDLE, load_authorities
from flotta.identity.errors import IdentityError
from flotta.identity.issuers import load_bundle

BUNDLE, ROOT_DIGEST, REGISTRATION_DIGEST = "ca.pem", "ca-root.sha256", "registration.sha256"
DIGEST_SIZE = 200  # bytes read of such a file
HEX_DIGEST = re.compile(r"[0-9a-f]{64}")
NONE, UNREADABLE = "none", "unreadable"  # instead of a digest


class Trust:
    """Tells which CAs count."""

    def __init__(self, ca_root: tuple[Path, ...], registration: Path) -> None:
        self._ca_root = ca_root
        self._registration = registration

    def choose(self, generation: Path | None) -> bytes | tuple[Path, ...]:
        """Return the PEM of the CAs that came with a generation, or the files in `ca-root`."""
        return self.read_bundle(generation) or self._ca_root

    def list_files(self, generation: Path | None) -> tuple[Path, ...]:
        """Return the files that `choose` goes by."""
        if generation is not None and self.read_bundle(generation):
            return (generation / BUNDLE,)
        return self._ca_root

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
        """Tell whether neither `ca-root` nor a registration certificate is newer than a generation.

        If the record of `ca-root` is damaged, it is unchanged, provided that the CAs beside it are
        not damaged. A registration certificate that was removed is not a newer one.
        """
        recorded = _read_digest(generation / ROOT_DIGEST)
        if not HEX_DIGEST.fullmatch(recorded):
            return bool(_read_kept(generation))
        if _digest(self._ca_root) not in (recorded, None):
            return False
        former, present = _read_digest(generation / REGISTRATION_DIGEST), self._registration_digest
        return present in (former, None) or not (former == NONE or HEX_DIGEST.fullmatch(former))

    def record(self, generation: Path, bundle: bytes) -> None:
        """Write the CAs, which may be none, into the folder of a generation that is not used."""
        missing = UNREADABLE if self._registration.exists() else NONE
        for name, digest in (
            (ROOT_DIGEST, _digest(self._ca_root) or UNREADABLE),
            (REGISTRATION_DIGEST, self._registration_digest or missing),
        ):
            write_atomically(generation / name, f"{digest}\n".encode())
        if bundle:
            write_atomically(generation / BUNDLE, bundle)

    @property
    def _registration_digest(self) -> str | None:
        return _digest([self._registration])


def _digest(files: Iterable[Path]) -> str | None:
    """Return a digest of the certificates in files, in any order; None if one is not readable."""
    digests: set[bytes] = set()
    try:
        for file in files:
            for certificate in load_bundle(read_bounded(file, MAX_BUNDLE)):
                digests.add(hashlib.sha256(certificate.public_bytes(Encoding.DER)).digest())
    except (OSError, IdentityError, UnsupportedAlgorithm):
        return None
    return hashlib.sha256(b"".join(sorted(digests))).hexdigest()


def _read_digest(file: Path) -> str:
    with contextlib.suppress(OSError, UnicodeDecodeError):
        return read_bounded(file, DIGEST_SIZE).decode().strip()
    return ""


def _read_kept(generation: Path) -> bytes:
    """Return the CAs in the folder of a generation, b"" if there are none or they are damaged."""
    with contextlib.suppress(OSError, IdentityError, UnsupportedAlgorithm):
        pem = read_bounded(generation / BUNDLE, MAX_GIVEN)
        read_authorities(pem)
        return pem
    return b""
