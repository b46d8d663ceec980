"""Finds the registration batch of a certificate in any store of secrets.

The secret is read each time, so that a revocation counts at once. Which secret it is, is kept from
lists; what no list had is looked for a few times a second at most.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from flotta.edge_api.backends.backend import SecretStore, StoredSecret
from flotta.edge_api.batch_lookups import Lookups, ParsedBatches
from flotta.edge_api.batches import Batch, fingerprints_of, holds, no_batch, require_active
from flotta.identity.holder import Peer


class SecretBatches:
    """The registration batches of a fleet."""

    def __init__(self, secrets: SecretStore) -> None:
        self._secrets = secrets
        self._names: Mapping[str, Sequence[str]] = {}  # of secrets, by fingerprint
        self._lookups = Lookups()
        self._parsed = ParsedBatches()
        secrets.subscribe(self._changed)

    async def admit(self, peer: Peer) -> Batch:
        """Return the batch of a registration certificate.

        Raises Refusal when there is none, or it was revoked, has expired or is invalid. Where
        several secrets hold the certificate, as copies do, each of them has to admit.
        """
        batches = [self._parsed.read(secret, peer) for secret in await self._find(peer)]
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
        if found or not self._lookups.take(peer.fingerprint):
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
            self._lookups.note_unknown(peer.fingerprint)
        return found

    def _changed(self, name: str) -> None:
        self._parsed.forget(name)
        self._lookups.note_change()
