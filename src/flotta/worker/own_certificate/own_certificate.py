"""The worker's part in the device's certificate, under a gateway that leaves it to its workers.

It adds to enrolment and registration what the gateway of flotta.edge adds, and takes the
certificate out of the response (docs/reference/device.md#other-gateways).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import msgspec
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding

from flotta.durable_files import read_bounded
from flotta.identity.errors import IdentityError
from flotta.identity.issuers import issued_by, load_bundle
from flotta.identity.keys import PrivateKey, key_to_pem, public_key_fingerprint
from flotta.identity.lifetime import renewal_time
from flotta.identity.peers import authority_of, is_device_id
from flotta.identity.requests import certificate_request
from flotta.protocol.models import EnrolmentInfo, RegistrationInfo, RegistrationResponse
from flotta.protocol.reasons.device_programs import CERTIFICATE_NOT_INSTALLED, CERTIFICATE_UNUSABLE
from flotta.worker.errors import DeliveryError
from flotta.worker.own_certificate.pair import OpenPair, Pair, open_pair
from flotta.worker.own_certificate.pair_files import PairFiles

log = logging.getLogger(__name__)

MAX_BUNDLE = 16 << 20  # bytes of the certificates of all CAs
MAX_CERTIFICATE = 16 * 1024  # bytes in a response: a certificate, and those of CAs between
JITTER = 0.1  # part of the validity: a fleet that enrolled together must not renew together
UNAUTHORIZED, FORBIDDEN = 401, 403


class _Answer(msgspec.Struct):
    content: RegistrationResponse


class SecondsLeft(NamedTuple):
    """Seconds, negative once that is over."""

    renewal: float  # until two thirds of the validity have passed, less up to JITTER of it
    validity: float


class OwnCertificate:
    """Key and certificate in the files of one gateway.

    `on_unregistered` is called when the device has to enrol and register.
    """

    def __init__(self, files: PairFiles, authorities: Iterable[Path], device_id: str) -> None:
        self._files = files
        self._authorities = tuple(authorities)
        self._device_id = device_id.lower()
        self._unproven = True  # not known to be accepted
        self._early = random.random() * JITTER  # noqa: S311 (no secret)
        self.demanded = asyncio.Event()
        self.on_unregistered: Callable[[], None] = lambda: None

    async def complete(self, content: msgspec.Struct) -> msgspec.Struct:
        """Return an enrolment with the key's fingerprint, a registration with a request for it.

        Other content is returned as it is. Raises DeliveryError without a usable certificate.
        """
        if not isinstance(content, EnrolmentInfo | RegistrationInfo):
            return content
        self._require_id()
        key = await asyncio.to_thread(self._files.pending_key)
        if isinstance(content, EnrolmentInfo):
            fingerprint = public_key_fingerprint(key.public_key())
            return msgspec.structs.replace(content, public_key_fingerprint=fingerprint)
        request = certificate_request(key, self._device_id).decode()
        return msgspec.structs.replace(content, certificate_request=request)

    async def take(self, content: msgspec.Struct, status: int, body: object) -> None:
        """Install the certificate in the response to a registration; heed a status 401.

        Raises DeliveryError when it is not for this device, or cannot be written.
        """
        if isinstance(content, RegistrationInfo) and status == 200:
            await asyncio.to_thread(self._install, body)
        elif isinstance(content, EnrolmentInfo | RegistrationInfo):
            return
        elif status in (UNAUTHORIZED, FORBIDDEN):
            await self._heed_refusal(status)
        elif 200 <= status < 300 and self._unproven:
            await asyncio.to_thread(self._files.note_accepted)
            self._unproven = False

    async def seconds_left(self) -> SecondsLeft | None:
        """Return how long the certificate lasts; None while the device has none of its own.

        Raises DeliveryError when the files have no usable pair.
        """
        current = await asyncio.to_thread(self._files.load)
        if not current.is_device:
            return None
        now, peer = datetime.now(UTC), current.peer
        moment = (
            renewal_time(current.certificate) - (peer.not_after - peer.not_before) * self._early
        )
        return SecondsLeft((moment - now).total_seconds(), (peer.not_after - now).total_seconds())

    async def go_back(self) -> bool:
        """Put the former certificate back if the current one was never accepted."""
        return await asyncio.to_thread(self._files.go_back)

    async def _heed_refusal(self, status: int) -> None:
        """Register without a certificate of its own, else renew what the status says is expired."""
        with contextlib.suppress(DeliveryError):
            if not (await asyncio.to_thread(self._files.load)).is_device:
                self.on_unregistered()
            elif status == UNAUTHORIZED:
                self.demanded.set()

    def _require_id(self) -> None:
        if not is_device_id(self._device_id) or self._device_id == "register":
            raise DeliveryError(
                f"{self._device_id!r} cannot be the id of a device; set `client-id` in the "
                "configuration of the gateway",
                reason=CERTIFICATE_UNUSABLE,
            )

    def _install(self, body: object) -> None:
        pem = _certificate_in(body)
        key, present = self._files.pending_key(), self._files.load()
        opened = self._check(pem, key, present)
        self._files.install(Pair(pem, key_to_pem(key)))
        self._unproven, self._early = True, random.random() * JITTER  # noqa: S311 (no secret)
        self.demanded.clear()
        log.info(
            "Installed a certificate for %s, valid to %s",
            self._device_id,
            opened.peer.not_after.isoformat(timespec="seconds"),
        )

    def _check(self, pem: bytes, key: PrivateKey, present: OpenPair) -> OpenPair:
        try:
            opened = open_pair(Pair(pem, key_to_pem(key)))
        except DeliveryError as error:
            raise _not_installed(f"it is not usable: {error.args[0]}") from error
        if not opened.is_device or opened.peer.device_id != self._device_id:
            raise _not_installed(f"it is not for device {self._device_id}")
        if not self._is_trusted(opened.certificate, present.certificate):
            raise _not_installed("it was not issued by a CA in `ca-root` of the gateway")
        return opened

    def _is_trusted(self, certificate: x509.Certificate, present: x509.Certificate) -> bool:
        """Tell whether a CA of the gateway issued it; without one, the issuer stays the same."""
        authorities = _load_authorities(self._authorities)
        if authorities:
            return issued_by(certificate, authorities)
        same = certificate.issuer == present.issuer
        return same and authority_of(certificate) == authority_of(present)


def _not_installed(reason: str) -> DeliveryError:
    text = f"the certificate of the control plane is not installed: {reason}"
    return DeliveryError(text, reason=CERTIFICATE_NOT_INSTALLED)


def _certificate_in(body: object) -> bytes:
    """Return the certificates of a response, without any text around them."""
    try:
        text = msgspec.convert(body, _Answer).content.certificate
    except msgspec.ValidationError as error:
        raise _not_installed("the response has no certificate") from error
    if len(text) > MAX_CERTIFICATE:
        raise _not_installed(f"it is larger than {MAX_CERTIFICATE} bytes")
    try:
        chain = load_bundle(text.encode(errors="replace"))
    except IdentityError as error:
        raise _not_installed("the response has no readable PEM certificate") from error
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in chain)


def _load_authorities(paths: Iterable[Path]) -> list[x509.Certificate]:
    """Return every certificate of the readable files."""
    found: list[x509.Certificate] = []
    for path in paths:
        with contextlib.suppress(OSError, IdentityError, UnsupportedAlgorithm):
            found += load_bundle(read_bounded(path, MAX_BUNDLE))
    return found
