"""Finds the registration batch of a certificate, as of now.

The cache says where to look, and refuses what it knows to have ended. What it would admit is read
each time, so that a revocation counts at once with every replica.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime

from flotta.edge_api.backends.resource_api.secrets import stored_secret
from flotta.edge_api.batch_lookups import Lookups, ParsedBatches
from flotta.edge_api.batches import (
    Batch,
    fingerprints_of,
    holds,
    no_batch,
    require_active,
    require_unrevoked,
)
from flotta.identity.holder import Peer
from flotta.limited_log import LimitedLog
from flotta.own_names import REGISTRATION_SELECTOR
from flotta.resources.cache import Cache
from flotta.resources.client import Client
from flotta.resources.kinds import SECRET
from flotta.resources.objects.core import Secret
from flotta.resources.views import name_of, namespace_of, uid_of

STRIDE = 100  # batches of a list that are read at once; devices are served in between
WARNING_INTERVAL = 60.0  # seconds between two warnings of copies
log = logging.getLogger(__name__)


class Batches:
    """The registration batches of one namespace."""

    def __init__(self, client: Client, secrets: Cache[Secret], namespace: str) -> None:
        self._client = client
        self._secrets = secrets
        self._namespace = namespace
        self._names: defaultdict[str, set[str]] = defaultdict(set)  # of Secrets, by fingerprint
        self._lookups = Lookups()
        self._parsed = ParsedBatches()
        self._warnings = LimitedLog(log, 1, WARNING_INTERVAL)
        secrets.subscribe(self._secret_changed)

    async def admit(self, peer: Peer) -> Batch:
        """Return the batch of a registration certificate.

        Raises Refusal when there is none, or it was revoked, has expired or is invalid. Where
        several Secrets hold the certificate, as copies do, each of them has to admit.
        """
        self._require_known_active(peer)
        batches = [self._require_active(secret, peer) for secret in await self._find(peer)]
        if not batches:
            raise no_batch()
        return batches[0]

    def _require_known_active(self, peer: Peer) -> None:
        """Refuse without a request to the API what is known to have ended.

        A certificate that was revoked may be presented without end.
        """
        for name in self._names_of(peer):
            secret = self._secrets.get(self._namespace, name)
            if secret is not None:
                self._require_active(secret, peer)

    def _require_active(self, secret: Secret, peer: Peer) -> Batch:
        batch = replace(self._parsed.read(stored_secret(secret), peer), uid=uid_of(secret))
        require_active(batch, peer, datetime.now(UTC))
        return batch

    async def require_unrevoked(self, name: str, uid: str) -> None:
        """Refuse an approval of a batch that was revoked or deleted; raises Refusal 403.

        Without a UID, any batch of the name is it.
        """
        secret = await self._client.get_or_none(SECRET, name, self._namespace)
        if secret is not None and uid not in ("", uid_of(secret)):
            secret = None
        require_unrevoked(name, stored_secret(secret) if secret else None)

    def _names_of(self, peer: Peer) -> list[str]:
        return sorted(self._names.get(peer.fingerprint, ()))

    async def _find(self, peer: Peer) -> list[Secret]:
        """Return the Secrets that hold a certificate, as of now."""
        found = []
        for name in self._names_of(peer):
            secret = await self._client.get_or_none(SECRET, name, self._namespace)
            if secret is not None and holds(stored_secret(secret), peer):
                found.append(secret)
        if len(found) > 1:
            names = ", ".join(map(name_of, found))
            self._warnings.log(
                logging.WARNING,
                "Several Secrets hold one registration certificate: %s; keep one",
                names,
            )
        return found or await self._find_untold(peer)

    async def _find_untold(self, peer: Peer) -> list[Secret]:
        """Look through all Secrets for a certificate of which the watch has not told."""
        if not self._lookups.take(peer.fingerprint):
            return []
        secrets = await self._client.list(
            SECRET, self._namespace, label_selector=REGISTRATION_SELECTOR
        )
        found = []
        for number, secret in enumerate(secrets):
            if number % STRIDE == 0:
                await asyncio.sleep(0)
            if holds(stored_secret(secret), peer):
                found.append(secret)
        if not found:
            self._lookups.note_unknown(peer.fingerprint)
        return found

    def _secret_changed(self, old: Secret | None, new: Secret | None) -> None:
        secret = new or old
        if secret is None or namespace_of(secret) != self._namespace:
            return
        name = name_of(secret)
        if new is None:
            self._parsed.forget(name)
        for fingerprint in self._fingerprints(old):
            self._names[fingerprint].discard(name)
            if not self._names[fingerprint]:
                del self._names[fingerprint]
        for fingerprint in self._fingerprints(new):
            self._names[fingerprint].add(name)
            self._lookups.note_told(fingerprint)

    def _fingerprints(self, secret: Secret | None) -> tuple[str, ...]:
        if secret is None:
            return ()
        stored = stored_secret(secret)
        return fingerprints_of(stored) if stored.registers else ()
