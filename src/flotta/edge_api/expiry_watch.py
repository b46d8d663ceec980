"""Tells in time that certificates of the control plane expire: metrics, log and Events.

What is renewed in time never warns; the times are those of `identity.expiry`.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Protocol

from cryptography import x509

from flotta.edge_api.backends.authority_store import AuthorityStore
from flotta.edge_api.backends.backend import (
    BackendError,
    SecretStore,
    StoreCertificate,
    StoredSecret,
)
from flotta.edge_api.certificates import Material
from flotta.edge_api.metrics import EdgeApiMetrics
from flotta.identity.expiry import NO_WARNING, Expiry, advise, leave_out_superseded
from flotta.identity.issuers import load_bundle
from flotta.identity.lifetime import load_certificate
from flotta.identity.peers import certificate_namespaces
from flotta.identity.server_requests import CERTIFICATE_KEY
from flotta.own_names import CA_SECRET, HOST_SECRET, OWN_BATCH_PREFIX
from flotta.protocol.reasons.authority import CERTIFICATE_EXPIRES
from flotta.rfc3339 import format_time

REPEAT = timedelta(days=1)  # between two warnings about one certificate
log = logging.getLogger(__name__)


class Expiring(Protocol):
    """What a backend has that expires."""

    @property
    def secrets(self) -> SecretStore:
        """The secrets of the fleet's servers."""

    @property
    def authority(self) -> AuthorityStore:
        """Who is told."""

    @property
    def store_certificate(self) -> StoreCertificate | None:
        """The certificate of its data store."""


class ExpiryWatch:
    """Looks at CA, server certificates and registration batches; `check` is called now and then."""

    def __init__(
        self,
        backend: Expiring,
        metrics: EdgeApiMetrics,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._backend = backend
        self._metrics = metrics
        self._now = now
        self._warned: dict[Expiry, datetime] = {}

    async def check(self, material: Material) -> None:
        """Publish when everything expires, and warn of what expires soon.

        What the store does not tell or take now is left to the next time.
        """
        expiries: list[Expiry] = []
        try:
            secrets = await self._backend.secrets.list_registration_secrets()
            # What has expired has done what it was meant to, and stays for a while.
            batches = [item for item in list_batches(secrets) if self._now() <= item.not_after]
            servers = list_servers(await self._backend.secrets.list_server_requests())
            stores = list_stores(self._backend.store_certificate)
            expiries = [*list_own(material), *stores, *servers, *batches]
            self._metrics.set_expiries(expiries)
            for expiry in expiries:
                await self._warn(expiry)
        except BackendError as error:
            log.warning("What expires cannot be checked or reported: %s", error)
        self._warned = {expiry: at for expiry, at in self._warned.items() if expiry in expiries}

    async def _warn(self, expiry: Expiry) -> None:
        now = self._now()
        warned = self._warned.get(expiry)
        if not expiry.is_urgent(now) or (warned is not None and now - warned < REPEAT):
            return
        self._warned[expiry] = now
        verb = "expired" if expiry.state_at(now) == "expired" else "expires"
        place = "of" if expiry.kind == "data store" else "in Secret"
        sentence = (
            f"The {expiry.kind} certificate {place} {expiry.name} {verb} at "
            f"{format_time(expiry.not_after)}. {advise(expiry.kind)}."
        )
        log.warning("%s [%s]", sentence, CERTIFICATE_EXPIRES)
        if expiry.kind != "data store":  # no object is about it
            await self._backend.authority.warn(expiry.name, CERTIFICATE_EXPIRES, sentence)


def list_own(material: Material) -> list[Expiry]:
    """Return the expiries of the CA that issues, and of the server's own certificates."""
    own = [
        Expiry.of("CA", CA_SECRET, material.authority.certificate),
        Expiry.of("server", HOST_SECRET, load_certificate(material.server.certificate)),
    ]
    if material.client is not None:
        client = load_certificate(material.client.certificate)
        own.append(Expiry.of("client", HOST_SECRET, client))
    return own


def list_stores(seen: StoreCertificate | None) -> list[Expiry]:
    """Return the expiry of what a data store showed, which nobody else may look at."""
    if seen is None:
        return []
    with contextlib.suppress(ValueError):
        certificate = x509.load_der_x509_certificate(seen.der)
        return [Expiry.of("data store", seen.address, certificate)]
    return []


def list_servers(secrets: Iterable[StoredSecret]) -> list[Expiry]:
    """Return the expiries of certificates for other servers."""
    found = []
    for secret in secrets:
        with contextlib.suppress(ValueError):
            certificate = load_certificate(secret.data.get(CERTIFICATE_KEY, b""))
            found.append(Expiry.of("other server", secret.name, certificate))
    return found


def list_batches(secrets: Iterable[StoredSecret]) -> list[Expiry]:
    """Return the expiries of batches that are meant to last, not revoked and not superseded.

    A fleet may have one short batch for each device: those are no series of a metric.
    """
    found: list[tuple[Expiry, frozenset[str]]] = []
    for secret in secrets:
        if not secret.data.get("client.key"):
            continue
        try:
            certificate = load_bundle(secret.data.get("client.crt", b""))[0]
            namespaces = frozenset(certificate_namespaces(certificate))
        except ValueError:
            continue
        expiry = Expiry.of("registration", secret.name, certificate)
        if expiry.warning_time > NO_WARNING:
            found.append((expiry, namespaces))
    return leave_out_superseded(found, OWN_BATCH_PREFIX)
