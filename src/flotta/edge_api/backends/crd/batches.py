"""Finds the registration batch of a certificate, as of now.

The cache says where to look, and refuses what it knows to have ended. What it would admit is read
each time, so that a revocation counts at once with every replica.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict, defaultdict
from dataclasses import replace
from datetime import UTC, datetime

from flotta.edge_api.backends.resource_api.secrets import stored_secret
from flotta.edge_api.batches import (
    Batch,
    fingerprints_of,
    holds,
    no_batch,
    read_batch,
    require_active,
    require_unrevoked,
)
from flotta.fleet.registration_batches import SPECIFICATION_KEY
from flotta.identity.peers import Peer
from flotta.limited_log import LimitedLog
from flotta.own_names import REGISTRATION_SELECTOR
from flotta.resources.cache import Cache
from flotta.resources.client import Client
from flotta.resources.kinds import SECRET
from flotta.resources.objects.core import Secret
from flotta.resources.views import name_of, namespace_of, uid_of
from flotta.token_bucket import TokenBucket

# Lists of all batches a second, and at once: for certificates of which no watch has told yet.
LIST_RATE = 1.0
LIST_BURST = 5.0
REMEMBERED = 10_000  # certificates that no list had; the one that came longest ago is forgotten
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
        # Fingerprints that no list had, until the watch tells of them.
        self._unknown: OrderedDict[str, None] = OrderedDict()
        self._lists = TokenBucket(LIST_RATE, LIST_BURST)
        self._warnings = LimitedLog(log, 1, WARNING_INTERVAL)
        self._read: dict[str, tuple[str, Batch]] = {}  # by name, with the version that was parsed
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
        batch = self._parse(secret, peer)
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
        if peer.fingerprint in self._unknown or not self._lists.take():
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
            self._unknown[peer.fingerprint] = None
            if len(self._unknown) > REMEMBERED:
                self._unknown.popitem(last=False)
        return found

    def _parse(self, secret: Secret, peer: Peer) -> Batch:
        """Return the batch; its JSON may be long, so it is parsed once for each version."""
        stored = stored_secret(secret)
        if SPECIFICATION_KEY not in stored.data:  # what it admits is in the certificate
            return replace(read_batch(stored, peer), uid=uid_of(secret))
        name, version = name_of(secret), secret["metadata"]["resourceVersion"]
        known = self._read.get(name)
        if known is not None and known[0] == version:
            return known[1]
        batch = replace(read_batch(stored, peer), uid=uid_of(secret))
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
            self._unknown.pop(fingerprint, None)

    def _fingerprints(self, secret: Secret | None) -> tuple[str, ...]:
        if secret is None:
            return ()
        stored = stored_secret(secret)
        return fingerprints_of(stored) if stored.registers else ()
