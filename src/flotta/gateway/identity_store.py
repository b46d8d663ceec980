"""The device's identity on disk, safe against a power cut between any two steps.

See docs/reference/device.md#renewal-and-key-rotation for the rules.

    <folder>/1/{cert,key}.pem      generations; a folder appears under its number by one rename
    <folder>/2/{cert,key}.pem      `used` beside them: the Edge API has accepted this identity
    <folder>/current -> 2          switched by one rename
    <folder>/pending.pem           key of a request without a response yet

The pending key survives retries and restarts: the Edge API accepts a repeated registration for the
same key only, and a lost response must not lock the device out. The key is removed after the
switch. The registration certificate and its key, which Ansible installs, are never touched. They
may be missing: Ansible removes them once the device has an identity of its own.
Former releases wrote keys as PKCS#8; `rewrite_keys` replaces each such file by one rename.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from flotta.durable_files import read_bounded, sync_directory, write_atomically
from flotta.gateway.errors import IdentityUnusable
from flotta.gateway.identity import (
    MAX_PEM,
    Identity,
    identify_peer,
    load_authorities,
    load_identity,
)
from flotta.identity.errors import IdentityError
from flotta.identity.issuers import issued_by
from flotta.identity.keys import (
    KeyFormatError,
    PrivateKey,
    key_to_pem,
    load_key,
    new_key,
    to_traditional_pem,
)
from flotta.identity.lifetime import load_certificate
from flotta.protocol.reasons.device_programs import IDENTITY_UNUSABLE, KEY_DAMAGED
from flotta.tree_removal import RemovalFailure, empty_directory, remove_tree

log = logging.getLogger(__name__)

CERT, KEY, USED, CURRENT, PENDING = "cert.pem", "key.pem", "used", "current", "pending.pem"


class IdentityStore:
    """The registration identity and the generations of one device's own identity."""

    def __init__(
        self, folder: Path, registration: tuple[Path, Path], ca_root: tuple[Path, ...], device: str
    ) -> None:
        self._folder = folder
        self._registration = registration
        self._ca_root = ca_root
        self._device_id = device
        self._warned: set[str] = set()

    def load_identities(self) -> list[Identity]:
        """Return every usable identity in the order of preference; may be empty.

        A broken current generation is skipped for the one before, and that for the registration
        identity.
        """
        registration = self._load_registration()
        folders = (self._folder / name for name in self._order_generations())
        devices = self._load_usable((folder / CERT, folder / KEY) for folder in folders)
        own = [identity for identity in devices if self._is_own(identity, registration)]
        return own + [identity for identity in registration if not identity.is_device]

    def load_current(self) -> Identity:
        """Return the identity to use; raises IdentityUnusable when there is none."""
        identities = self.load_identities()
        if not identities:
            certificate, _ = self._registration
            raise IdentityUnusable(
                f"This device has no usable certificate: none of its own is in {self._folder}, and "
                f"{certificate} or its key is missing or broken. Nothing is removed, and its pods "
                "keep running. Run the role flotta.edge.device to install the registration "
                "certificate, with which it joins again."
            )
        return identities[0]

    def rewrite_keys(self) -> None:
        """Rewrite the device's keys in the form that v0.2 reads too; they stay the same keys.

        A file that cannot be read or written stays as it is: it serves as well as before.
        """
        folders = (self._folder / name for name in self._list_generation_numbers())
        for path in (*(folder / KEY for folder in folders), self._folder / PENDING):
            with contextlib.suppress(OSError, KeyFormatError):
                pem = read_bounded(path, MAX_PEM)
                rewritten = to_traditional_pem(pem)
                if rewritten != pem:
                    write_atomically(path, rewritten)
                    log.info("%s is SEC 1 or PKCS#1 now; it is the same key", path)

    def ensure_pending_key(self) -> PrivateKey:
        """Return the key of the next certificate, generated once and kept until it is installed."""
        path = self._folder / PENDING
        try:
            return load_key(read_bounded(path, MAX_PEM))
        except FileNotFoundError:
            pass
        except Exception:  # whatever the damage: a request needs a key
            log.warning("%s is damaged; generating a new key [%s]", path, KEY_DAMAGED)
            remove_tree(path)
        self._folder.mkdir(mode=0o700, exist_ok=True)
        key = new_key()
        write_atomically(path, key_to_pem(key))
        return key

    def install(self, certificate_pem: bytes) -> Identity:
        """Make the certificate for the pending key the current identity.

        Raises IdentityUnusable when it is for another key, device or class; nothing changes then.
        """
        key = self.ensure_pending_key()
        self._check_certificate(certificate_pem, key)
        number = max((int(name) for name in self._list_generation_numbers()), default=0) + 1
        folder = self._write_generation(str(number), certificate_pem, key_to_pem(key))
        self._switch_current(str(number))
        self._forget_pending()
        (identity,) = self._load_usable([(folder / CERT, folder / KEY)])
        return identity

    def mark_used(self, identity: Identity) -> None:
        """Note that the Edge API accepted this identity, and remove earlier ones.

        Does nothing unless it is the current one: a response to an earlier one may come late.
        """
        folder = identity.cert_path.parent
        if not self._is_current(folder) or (folder / USED).exists():
            return
        write_atomically(folder / USED, b"")
        self._forget_pending_of(identity)
        for name in self._list_generation_numbers():
            if int(name) < int(folder.name):
                remove_tree(self._folder / name)

    def wipe(self) -> list[RemovalFailure]:
        """Remove the device's own identities and the pending key, not the one for registration.

        Returns what is left after everything was tried.
        """
        left = empty_directory(self._folder)
        with contextlib.suppress(OSError):
            sync_directory(self._folder)
        return left

    def _is_current(self, folder: Path) -> bool:
        try:
            return folder == self._folder / os.readlink(self._folder / CURRENT)
        except OSError:
            return False

    def _check_certificate(self, pem: bytes, key: PrivateKey) -> None:
        try:
            certificate = load_certificate(pem)
            peer = identify_peer(certificate)
        except IdentityError as error:
            raise IdentityUnusable(f"The new certificate is invalid: {error}") from error
        if certificate.public_key() != key.public_key():
            raise IdentityUnusable("The new certificate is not for the key of the request.")
        if peer.kind != "device" or peer.device_id != self._device_id:
            raise IdentityUnusable("The new certificate is not for this device.")

    def _write_generation(self, name: str, certificate: bytes, key: bytes) -> Path:
        fresh = self._folder / f".{name}.new"
        remove_tree(fresh)
        fresh.mkdir(mode=0o700)
        write_atomically(fresh / KEY, key)
        write_atomically(fresh / CERT, certificate)
        os.rename(fresh, self._folder / name)
        sync_directory(self._folder)
        return self._folder / name

    def _switch_current(self, name: str) -> None:
        link = self._folder / f".{CURRENT}.new"
        link.unlink(missing_ok=True)
        link.symlink_to(name)
        os.rename(link, self._folder / CURRENT)
        sync_directory(self._folder)

    def _forget_pending(self) -> None:
        (self._folder / PENDING).unlink(missing_ok=True)
        sync_directory(self._folder)

    def _forget_pending_of(self, identity: Identity) -> None:
        """Remove a pending key that a power cut left behind after its certificate's switch."""
        with contextlib.suppress(OSError, KeyFormatError):
            key = load_key(read_bounded(self._folder / PENDING, MAX_PEM))
            if key.public_key() == identity.certificate.public_key():
                self._forget_pending()

    def _list_generation_numbers(self) -> list[str]:
        try:
            names = [entry.name for entry in self._folder.iterdir() if entry.is_dir()]
        except FileNotFoundError:
            return []
        except OSError as error:
            self._warn_once(f"{self._folder} cannot be read: {error}")
            return []
        return [name for name in names if name.isdecimal()]

    def _order_generations(self) -> list[str]:
        """Return the names of the generations: the current one, then the others from the newest."""
        names = sorted(self._list_generation_numbers(), key=int, reverse=True)
        try:
            current = os.readlink(self._folder / CURRENT)
        except OSError:
            return names
        return [current, *(name for name in names if name != current)]

    def _load_registration(self) -> list[Identity]:
        """Return the registration identity, none if it was removed or is not usable."""
        if not any(map(os.path.lexists, self._registration)):
            return []
        return list(self._load_usable([self._registration]))

    def _load_usable(self, files: Iterable[tuple[Path, Path]]) -> Iterator[Identity]:
        for cert_path, key_path in files:
            try:
                yield load_identity(cert_path, key_path)
            except Exception as error:  # of any damage: the other identities must be tried
                self._warn_once(f"{cert_path} is not used: {error}")

    def _is_own(self, identity: Identity, registration: list[Identity]) -> bool:
        """Tell whether an identity is for this device and its present fleet."""
        where = identity.cert_path
        if identity.peer.device_id != self._device_id or not identity.is_device:
            self._warn_once(
                f"{where} is for device {identity.peer.device_id!r}, but client-id is "
                f"{self._device_id!r}: the device registers again."
            )
            return False
        authorities = load_authorities(self._ca_root)
        if issued_by(identity.certificate, authorities) or not any(
            issued_by(identity.certificate, authorities) for identity in registration
        ):
            return True
        self._warn_once(
            f"{where} was not issued by the CA in ca-root, but the registration certificate was: "
            "the device registers again."
        )
        return False

    def _warn_once(self, sentence: str) -> None:
        if sentence not in self._warned:
            self._warned.add(sentence)
            log.warning("%s [%s]", sentence, IDENTITY_UNUSABLE)
