"""Key and certificate while the worker is connected to a gateway that leaves them to its workers.

Only root's gateway and that of the worker's own user may name files: the worker is root, and any
other user could have it write over the files of the device.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from flotta.protocol.grpc import Config
from flotta.protocol.reasons.device_programs import RENEWAL_UNSUPPORTED
from flotta.unforeseen import run_again
from flotta.worker.own_certificate.own_certificate import OwnCertificate
from flotta.worker.own_certificate.pair_files import PairFiles
from flotta.worker.own_certificate.renewal import Renewal

log = logging.getLogger(__name__)

SEPARATOR = ";"  # between the paths of `ca_root`


class Session:
    """Completes messages, and renews the certificate until it is closed."""

    def __init__(self, own: OwnCertificate, register: Callable[[], Awaitable[int]]) -> None:
        self._own = own
        self._renewal = asyncio.create_task(run_again(Renewal(own, register).run))

    async def complete(self, content: msgspec.Struct) -> msgspec.Struct:
        """Return an enrolment or registration with the worker's part; raises DeliveryError."""
        return await self._own.complete(content)

    async def take(self, content: msgspec.Struct, status: int, body: object) -> None:
        """Take the certificate out of a response, heed a refusal; raises DeliveryError."""
        await self._own.take(content, status, body)

    def close(self) -> None:
        """Renew no more."""
        self._renewal.cancel()


def begin_session(
    folder: Path,
    config: Config,
    user: int,
    register: Callable[[], Awaitable[int]],
    on_unregistered: Callable[[], None],
) -> Session | None:
    """Return the session with a gateway of this user; None, and a warning, if it may name no files.

    `folder` is where the worker keeps its part, `register` sends a registration and returns the
    status, `on_unregistered` is called when the device has to enrol and register.
    """
    cert_file, key_file = Path(config.cert_file), Path(config.key_file)
    if user not in (0, os.geteuid()) or not _are_usable(cert_file, key_file):
        log.warning(
            "The gateway, of user id %d, leaves key and certificate to its workers, but it may not "
            "name the files %s and %s [%s]",
            user,
            cert_file,
            key_file,
            RENEWAL_UNSUPPORTED,
        )
        return None
    authorities = [Path(name) for name in config.ca_root.split(SEPARATOR) if name]
    own = OwnCertificate(PairFiles(folder, cert_file, key_file), authorities, config.client_id)
    own.on_unregistered = on_unregistered
    log.info("The gateway leaves key and certificate to this worker: %s, %s", cert_file, key_file)
    return Session(own, register)


def _are_usable(cert_file: Path, key_file: Path) -> bool:
    return cert_file.is_absolute() and key_file.is_absolute() and cert_file != key_file
