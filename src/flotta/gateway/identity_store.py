"""The device's identity on disk, safe against a power cut between any two steps.

See docs/reference/device.md#renewal-and-key-rotation for the rules.

    <folder>/1/cert.pem    generations; a folder appears under its number by one rename
    <folder>/2/cert.pem    `used` beside it: the Edge API has accepted this identity
    <folder>/current -> 2  switched by one rename

The keys are those of `device_keys`, the CAs beside a certificate those of `trust`. The registration
certificate and its key, which Ansible installs, are never touched.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from flotta.durable_files import sync_directory, write_atomically
from flotta.gateway.device_keys import DeviceKey, DeviceKeys, FileKey, FileKeys
from flotta.gateway.errors import IdentityUnusable
from flotta.gateway.given_bundle import GivenBundle
from flotta.gateway.identity import Identity, load_identity
from flotta.gateway.trust import Trust
from flotta.identity.errors import IdentityError
from flotta.identity.issuers import issued_by
from flotta.identity.keys import public_key_fingerprint
from flotta.identity.lifetime import load_certificate
from flotta.identity.peers import identify_peer
from flotta.protocol.reasons.device_programs import CA_BUNDLE_REFUSED, IDENTITY_UNUSABLE
from flotta.tree_removal import RemovalFailure, empty_directory, remove_tree

log = logging.getLogger(__name__)

CERT, USED, CURRENT = "cert.pem", "used", "current"


class IdentityStore:
    """The registration identity and the generations of one device's own identity."""

    def __init__(
        self, folder: Path, registration: tuple[Path, Path], ca_root: tuple[Path, ...], device: str
    ) -> None:
        self._folder = folder
        self._registration = registration
        self._trust = Trust(ca_root, registration[0])
        self._keys: DeviceKeys = FileKeys(folder)
        self._device_id = device
        self._warned: set[str] = set()

    def load_identities(self) -> list[Identity]:
        """Return every usable identity in the order of preference; may be empty.

        A broken current generation is skipped for the one before, and that for the registration
        identity.
        """
        registration = self._load_registration()
        folders = (self._folder / name for name in self._order_generations())
        devices = self._load_usable(
            (folder / CERT, partial(self._keys.load, folder)) for folder in folders
        )
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

    @property
    def trusted(self) -> bytes | tuple[Path, ...]:
        """The CAs of the server: those that came with the current identity, or `ca-root`."""
        return self._trust.choose(self._current_folder)

    @property
    def trusted_files(self) -> str:
        """Where `trusted` comes from, for people."""
        return ", ".join(map(str, self._trust.list_files(self._current_folder)))

    def rewrite_keys(self) -> None:
        """Rewrite the device's keys in the form that v0.2 reads too; they stay the same keys."""
        self._keys.modernise(self._folder / name for name in self._list_generation_numbers())

    def ensure_pending_key(self) -> DeviceKey:
        """Return the key of the next certificate, generated once and kept until it is installed."""
        present: PublicKeyTypes | None = None
        with contextlib.suppress(IdentityUnusable):
            present = self.load_current().certificate.public_key()
        return self._keys.ensure_pending(present)

    def read_key_fingerprint(self) -> str:
        """Return the fingerprint of the key for which a certificate is requested.

        Without a request, that of the present certificate; empty without both.
        """
        pending = self._keys.read_pending()
        if pending is not None:
            return public_key_fingerprint(pending.public_key())
        with contextlib.suppress(IdentityUnusable):
            current = self.load_current()
            return current.peer.public_key_fingerprint if current.is_device else ""
        return ""

    def install(self, certificate_pem: bytes, bundle: bytes = b"", cross: bytes = b"") -> Identity:
        """Make the certificate for the pending key the current identity.

        `bundle` are the CAs that came with it, `cross` what vouches for them. Without CAs, or if
        they are refused, those that came with the identity before count on.

        Raises IdentityUnusable when it is for another key, device or class; nothing changes then.
        """
        certificate = self._check_certificate(certificate_pem, self.ensure_pending_key())
        authorities = self._accept_bundle(GivenBundle(bundle, cross), certificate)
        number = max((int(name) for name in self._list_generation_numbers()), default=0) + 1
        folder = self._write_generation(str(number), certificate_pem, authorities)
        self._switch_current(str(number))
        self._keys.forget_pending()
        (identity,) = self._load_usable([(folder / CERT, partial(self._keys.load, folder))])
        return identity

    def mark_used(self, identity: Identity) -> None:
        """Note that the Edge API accepted this identity, and remove earlier ones.

        Does nothing unless it is the current one: a response to an earlier one may come late.
        """
        folder = identity.cert_path.parent
        if not self._is_current(folder) or (folder / USED).exists():
            return
        write_atomically(folder / USED, b"")
        self._keys.forget_pending_of(identity.certificate.public_key())
        for name in self._list_generation_numbers():
            if int(name) < int(folder.name):
                self._keys.forget(self._folder / name)
                remove_tree(self._folder / name)

    def wipe(self) -> list[RemovalFailure]:
        """Remove the device's own identities and the pending key, not the one for registration.

        Returns what is left after everything was tried.
        """
        self._keys.wipe()
        left = empty_directory(self._folder)
        with contextlib.suppress(OSError):
            sync_directory(self._folder)
        return left

    def _is_current(self, folder: Path) -> bool:
        try:
            return folder == self._folder / os.readlink(self._folder / CURRENT)
        except OSError:
            return False

    @property
    def _current_folder(self) -> Path | None:
        names = self._order_generations()
        return self._folder / names[0] if names else None

    def _accept_bundle(self, given: GivenBundle, certificate: x509.Certificate) -> bytes:
        """Return the CAs to keep with a new certificate."""
        if given.authorities:
            try:
                return given.check(certificate, self._trust.load(self._current_folder))
            except (IdentityError, UnsupportedAlgorithm) as error:
                log.warning(
                    "The CAs that came with the certificate are not taken over: %s [%s]",
                    error,
                    CA_BUNDLE_REFUSED,
                )
        return self._trust.read_bundle(self._current_folder)

    def _check_certificate(self, pem: bytes, key: DeviceKey) -> x509.Certificate:
        try:
            certificate = load_certificate(pem)
            peer = identify_peer(certificate)
        except IdentityError as error:
            raise IdentityUnusable(f"The new certificate is invalid: {error}") from error
        if certificate.public_key() != key.public_key():
            raise IdentityUnusable("The new certificate is not for the key of the request.")
        if peer.kind != "device" or peer.device_id != self._device_id:
            raise IdentityUnusable("The new certificate is not for this device.")
        return certificate

    def _write_generation(self, name: str, certificate: bytes, authorities: bytes) -> Path:
        fresh = self._folder / f".{name}.new"
        remove_tree(fresh)
        fresh.mkdir(mode=0o700)
        self._keys.promote(fresh)
        self._trust.record(fresh, authorities)
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
        certificate, key = self._registration
        return list(self._load_usable([(certificate, partial(FileKey.load, key))]))

    def _load_usable(
        self, places: Iterable[tuple[Path, Callable[[], DeviceKey]]]
    ) -> Iterator[Identity]:
        for cert_path, load_key in places:
            try:
                yield load_identity(cert_path, load_key)
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
        if self._trust.is_unchanged_since(where.parent):
            return True  # it was given to this device by a server of the same `ca-root`
        authorities = self._trust.load(self._current_folder)
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
