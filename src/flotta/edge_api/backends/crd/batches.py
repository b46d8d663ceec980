"""Finds the registration batch of a certificate, as of now.

The cache only says where to look: the Secret itself is read each time, so that a revocation counts
at once with every replica.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime

from flotta.edge_api.backends.crd.secrets import stored_secret
from flotta.edge_api.batches import (
    Batch,
    fingerprints_of,
    holds,
    no_batch,
    read_batch,
    require_active,
)
from flotta.identity.peers import Peer
from flotta.own_names import REGISTRATION_SELECTOR
from flotta.resources.cache import Cache
from flotta.resources.client import Client
from flotta.resources.kinds import SECRET
from flotta.resources.objects.core import Secret
from flotta.resources.views import name_of, namespace_of, uid_of
from flotta.token_bucket import TokenBucket

# Lists of all batches a second, and at once: for certificates of which no watch has told yet. A
# certificate that was revoked may be presented without end.
LIST_RATE = 1.0
LIST_BURST = 5.0
log = logging.getLogger(__name__)


class Batches:
    """The registration batches of one namespace."""

    def __init__(self, client: Client, secrets: Cache[Secret], namespace: str) -> None:
        self._client = client
        self._namespace = namespace
        self._names: defaultdict[str, set[str]] = defaultdict(set)  # of Secrets, by fingerprint
        self._lists = TokenBucket(LIST_RATE, LIST_BURST)
        self._read: dict[str, tuple[str, Batch]] = {}  # by name, with the version that was parsed
        secrets.subscribe(self._secret_changed)

    async def admit(self, peer: Peer) -> Batch:
        """Return the batch of a registration certificate.

        Raises Refusal when there is none, or it was revoked, has expired or is invalid.
        """
        secret = await self._find(peer)
        if secret is None:
            raise no_batch()
        batch = self._parse(secret, peer)
        require_active(batch, peer, datetime.now(UTC))
        return batch

    async def _find(self, peer: Peer) -> Secret | None:
        for name in sorted(self._names.get(peer.fingerprint, ())):
            secret = await self._client.get_or_none(SECRET, name, self._namespace)
            if secret is not None and holds(stored_secret(secret), peer):
                return secret
        if not self._lists.take():
            return None
        found = await self._client.list(
            SECRET, self._namespace, label_selector=REGISTRATION_SELECTOR
        )
        return next((secret for secret in found if holds(stored_secret(secret), peer)), None)

    def _parse(self, secret: Secret, peer: Peer) -> Batch:
        """Return the batch; its JSON may be long, so it is parsed once for each version."""
        name, version = name_of(secret), secret["metadata"]["resourceVersion"]
        known = self._read.get(name)
        if known is not None and known[0] == version:
            return known[1]
        batch = replace(read_batch(stored_secret(secret), peer), uid=uid_of(secret))
        self._read[name] = version, batch
        return batch

    def _secret_changed(self, old: Secret | None, new: Secret | None) -> None:
        secret = new or old
        if secret is None or namespace_of(secret) != self._namespace:
            return
        name = name_of(secret)
        if new is None:
            self._read.pop(name, None)
        for fingerprint in self._fingerprints(old):
            self._names[fingerprint].discard(name)
            if not self._names[fingerprint]:
                del self._names[fingerprint]
        for fingerprint in self._fingerprints(new):
            self._names[fingerprint].add(name)

    def _fingerprints(self, secret: Secret | None) -> tuple[str, ...]:
        if secret is None:
            return ()
        stored = stored_secret(secret)
        return fingerprints_of(stored) if stored.registers else ()
