"""The private keys of the device's own identity; nothing else on the device touches them.

`DeviceKeys` is what the gateway needs of them: no method returns a private key, so that a TPM can
hold them later. `FileKeys` keeps them in files beside the certificates:

    <folder>/2/key.pem      of the generation 2
    <folder>/pending.pem    of a request without a response yet

The pending key survives retries and restarts: the Edge API accepts a repeated registration for the
same key only, and a lost response must not lock the device out.
"""

from __future__ import annotations

import contextlib
import logging
import ssl
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from flotta.durable_files import read_bounded, sync_directory, write_atomically
from flotta.identity.keys import (
    KeyFormatError,
    PrivateKey,
    key_to_pem,
    load_key,
    new_key_like,
    to_traditional_pem,
)
from flotta.identity.requests import certificate_request
from flotta.protocol.reasons.device_programs import KEY_DAMAGED
from flotta.tree_removal import remove_tree

KEY, PENDING = "key.pem", "pending.pem"
MAX_KEY = 1 << 20  # bytes
log = logging.getLogger(__name__)


class DeviceKey(Protocol):
    """A private key, wherever it is."""

    def public_key(self) -> PublicKeyTypes:
        """Return its public key."""

    def sign_request(self, device_id: str) -> bytes:
        """Return a PKCS#10 request for a certificate of this device, in PEM."""

    def present(self, context: ssl.SSLContext, certificate: Path) -> None:
        """Make the context show the certificate and prove the key; raises OSError."""


class DeviceKeys(Protocol):
    """The keys of one device: the pending one, and one for each generation of its identity."""

    def ensure_pending(self, present: PublicKeyTypes | None = None) -> DeviceKey:
        """Return the key of the next certificate, generated once and kept until `promote`.

        It is RSA if the present key is.
        """

    def read_pending(self) -> DeviceKey | None:
        """Return the key of the next certificate, None if there is none that can be read."""

    def promote(self, generation: Path) -> None:
        """Make the pending key that of a generation, whose folder exists, durably.

        It stays pending until it is forgotten: a power cut may come before the generation counts.
        """

    def forget_pending(self) -> None:
        """Have no pending key any more."""

    def forget_pending_of(self, public_key: PublicKeyTypes) -> None:
        """Have no pending key any more if it is this one."""

    def load(self, generation: Path) -> DeviceKey:
        """Return the key of a generation; raises OSError or IdentityError."""

    def modernise(self, generations: Iterable[Path]) -> None:
        """Bring keys of former releases into the present form; they stay the same keys."""

    def forget(self, generation: Path) -> None:
        """Have no key of a generation any more, before its folder is removed."""

    def wipe(self) -> None:
        """Have no keys any more, except what is in the folder, which the caller removes."""


class FileKey:
    """A private key in a PEM file."""

    def __init__(self, path: Path, key: PrivateKey) -> None:
        self._path = path
        self._key = key

    @classmethod
    def load(cls, path: Path) -> FileKey:
        """Read the file; raises OSError or KeyFormatError."""
        return cls(path, load_key(read_bounded(path, MAX_KEY)))

    def public_key(self) -> PublicKeyTypes:
        """Return its public key."""
        return self._key.public_key()

    def sign_request(self, device_id: str) -> bytes:
        """Return a PKCS#10 request for a certificate of this device, in PEM."""
        return certificate_request(self._key, device_id)

    def present(self, context: ssl.SSLContext, certificate: Path) -> None:
        """Make the context show the certificate and prove the key; raises OSError."""
        context.load_cert_chain(certificate, self._path)


class FileKeys:
    """DeviceKeys in files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def ensure_pending(self, present: PublicKeyTypes | None = None) -> FileKey:
        """Return the key of the next certificate, generated once and kept until `promote`."""
        path = self._folder / PENDING
        try:
            return FileKey.load(path)
        except FileNotFoundError:
            pass
        except Exception:  # whatever the damage: a request needs a key
            log.warning("%s is damaged; generating a new key [%s]", path, KEY_DAMAGED)
            remove_tree(path)
        self._folder.mkdir(mode=0o700, exist_ok=True)
        key = new_key_like(present)
        write_atomically(path, key_to_pem(key))
        return FileKey(path, key)

    def read_pending(self) -> FileKey | None:
        """Return the key of the next certificate, None if there is none that can be read."""
        with contextlib.suppress(Exception):  # whatever the damage: nothing depends on it
            return FileKey.load(self._folder / PENDING)
        return None

    def promote(self, generation: Path) -> None:
        """Write the pending key into the folder of a generation."""
        write_atomically(generation / KEY, read_bounded(self._folder / PENDING, MAX_KEY))

    def forget_pending(self) -> None:
        """Remove the pending key."""
        (self._folder / PENDING).unlink(missing_ok=True)
        sync_directory(self._folder)

    def forget_pending_of(self, public_key: PublicKeyTypes) -> None:
        """Remove the pending key if it is this one."""
        with contextlib.suppress(OSError, KeyFormatError):
            if FileKey.load(self._folder / PENDING).public_key() == public_key:
                self.forget_pending()

    def load(self, generation: Path) -> FileKey:
        """Return the key of a generation; raises OSError or IdentityError."""
        return FileKey.load(generation / KEY)

    def modernise(self, generations: Iterable[Path]) -> None:
        """Replace PKCS#8 by the form that v0.2 reads too, each file by one rename.

        A file that cannot be read or written stays as it is: it serves as well as before.
        """
        for path in (*(folder / KEY for folder in generations), self._folder / PENDING):
            with contextlib.suppress(OSError, KeyFormatError):
                pem = read_bounded(path, MAX_KEY)
                rewritten = to_traditional_pem(pem)
                if rewritten != pem:
                    write_atomically(path, rewritten)
                    log.info("%s is SEC 1 or PKCS#1 now; it is the same key", path)

    def forget(self, generation: Path) -> None:
        """Do nothing: the file goes with its folder."""

    def wipe(self) -> None:
        """Do nothing: the files go with the folder."""
