"""How the Edge API and the store know each other: the TLS context of https."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable
from pathlib import Path

from flotta.edge_api.backends.remote.problems import StoreRefused
from flotta.identity.key_files import key_files
from flotta.identity.ssl_contexts import client_context
from flotta.own_names import CA_SECRET, HOST_SECRET

Stamp = tuple[int, int, int]  # of a file: what changes when it is written or replaced
log = logging.getLogger(__name__)


class Trust:
    """Makes the context of the material that `follow` was given last.

    `ca_file` is what the store's certificate is verified with instead of the fleet's CA; it is
    read again when it changes.
    """

    def __init__(self, *, has_tls: bool, ca_file: Path | None) -> None:
        self._has_tls = has_tls
        self._ca_file = ca_file
        self._material: tuple[bytes, bytes, bytes] | None = None
        self._context: ssl.SSLContext | None = None
        self._stamp: Stamp | None = None
        self.seen = b""  # DER of the certificate that the store showed last

    def follow(self, trust: bytes, certificate: bytes, key: bytes) -> None:
        """Use these CAs, this certificate and its key from now on; all are PEM."""
        self._material, self._context = (trust, certificate, key), None

    def context(self) -> ssl.SSLContext | None:
        """Return the context, None for plain HTTP.

        Raises StoreRefused while there is none.
        """
        if not self._has_tls:
            return None
        if self._context is None or self._stamp != self._read_stamp():
            self._context = self._make_context()
        return self._context

    def _make_context(self) -> ssl.SSLContext:
        if self._material is None:
            raise StoreRefused(
                "The Edge API has no certificate for the data store yet", is_outage=True
            )
        trust, certificate, key = self._material
        if not certificate:
            raise StoreRefused(
                "The Edge API has no certificate for the data store: client.crt in "
                f"{HOST_SECRET} cannot be used, and its log says why; mend it, or remove it",
                is_outage=True,
            )
        self._stamp = self._read_stamp()
        context = self._make_verifying(trust)
        try:
            with key_files(certificate, key) as files:
                context.load_cert_chain(files.certificate, files.key)
        except ssl.SSLError as error:
            raise StoreRefused(
                f"The certificate of the Edge API for the data store cannot be used ({error}); "
                f"write another client.crt and client.key to {HOST_SECRET}, or remove both: then "
                "the Edge API issues them",
                is_outage=True,
            ) from error
        except OSError as error:
            raise StoreRefused(
                f"The certificate of the Edge API for the data store cannot be loaded ({error}); "
                "it needs a temporary file for a moment: free space there",
                is_outage=True,
            ) from error
        context.sslobject_class = _noting(self._note)
        return context

    def _make_verifying(self, trust: bytes) -> ssl.SSLContext:
        """Return a context that verifies the store's certificate."""
        try:
            return client_context(self._ca_file or trust, check_time=True)
        except OSError as error:  # errors of TLS are such, too
            named = f"REMOTE_BACKEND_CA_FILE names {self._ca_file}"
            cause = named if self._ca_file else f"its CA is that in {CA_SECRET}"
            raise StoreRefused(
                f"The certificate of the data store cannot be verified: {cause}, which cannot be "
                f"used ({error}); correct the file",
                is_outage=True,
            ) from error

    def _note(self, der: bytes) -> None:
        self.seen = der

    def _read_stamp(self) -> Stamp | None:
        if self._ca_file is None:
            return None
        try:
            status = self._ca_file.stat()
        except OSError:
            return None
        return status.st_ino, status.st_size, status.st_mtime_ns


def _noting(note: Callable[[bytes], None]) -> type[ssl.SSLObject]:
    """Return a class that tells which certificate the other side showed.

    A response does not: its connection is often done with before anybody can ask.
    """

    class Noting(ssl.SSLObject):
        def do_handshake(self) -> None:
            super().do_handshake()
            note(self.getpeercert(binary_form=True) or b"")

    return Noting
