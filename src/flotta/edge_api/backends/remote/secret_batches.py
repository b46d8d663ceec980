"""Finds the registration batch of a certificate in any store of secrets.

The secret is read each time, so that a revocation counts at once. Which secret it is, is kept from
lists; what no list had is looked for a few times a second at most.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from flotta.edge_api.backends.backend import SecretStore, StoredSecret
from flotta.edge_api.batches import (
    Batch,
    fingerprints_of,
    holds,
    no_batch,
    read_batch,
    require_active,
)
from flotta.fleet.registration_batches import SPECIFICATION_KEY
from flotta.identity.peers import Peer
from flotta.token_bucket import TokenBucket

LIST_RATE = 1.0  # lists of all batches a second
LIST_BURST = 5.0  # lists at once
REMEMBERED = 10_000  # certificates that no list had; the one that came longest ago is forgotten


class SecretBatches:
    """The registration batches of a fleet."""

    def __init__(self, secrets: SecretStore) -> None:
        self._secrets = secrets
        self._names: Mapping[str, Sequence[str]] = {}  # of secrets, by fingerprint
        self._unknown: OrderedDict[str, None] = OrderedDict()  # fingerprints, until a change
        self._lists = TokenBucket(LIST_RATE, LIST_BURST)
        self._parsed: dict[str, tuple[str, Batch]] = {}  # by name, with the version
        secrets.subscribe(self._changed)

    async def admit(self, peer: Peer) -> Batch:
        """Return the batch of a registration certificate.

        Raises Refusal when there is none, or it was revoked, has expired or is invalid. Where
        several secrets hold the certificate, as copies do, each of them has to admit.
        """
        batches = [self._parse(secret, peer) for secret in await self._find(peer)]
        for batch in batches:
            require_active(batch, peer, datetime.now(UTC))
        if not batches:
            raise no_batch()
        return batches[0]

    async def _find(self, peer: Peer) -> list[StoredSecret]:
        found = []
        for name in self._names.get(peer.fingerprint, ()):
            secret = await self._secrets.read(name)
            if secret is not None and holds(secret, peer):
                found.append(secret)
        if found or peer.fingerprint in self._unknown or not self._lists.take():
            return found
        return await self._look(peer)

    async def _look(self, peer: Peer) -> list[StoredSecret]:
        """Look through all batches."""
        secrets = await self._secrets.list_registration_secrets()
        names: defaultdict[str, list[str]] = defaultdict(list)
        for secret in secrets:
            for fingerprint in fingerprints_of(secret):
                names[fingerprint].append(secret.name)
        self._names = names
        found = [secret for secret in secrets if holds(secret, peer)]
        if not found:
            self._unknown[peer.fingerprint] = None
            if len(self._unknown) > REMEMBERED:
                self._unknown.popitem(last=False)
        return found

    def _parse(self, secret: StoredSecret, peer: Peer) -> Batch:
        """Return the batch; its JSON may be long, so it is parsed once for each version."""
        if SPECIFICATION_KEY not in secret.data:  # what it admits is in the certificate
            return read_batch(secret, peer)
        known = self._parsed.get(secret.name)
        if known is not None and known[0] == secret.version:
            return known[1]
        batch = read_batch(secret, peer)
        self._parsed[secret.name] = secret.version, batch
        return batch

    def _changed(self, name: str) -> None:
        self._parsed.pop(name, None)
        self._unknown.clear()
