"""What a backend keeps of looking for registration batches, which anybody may have it do."""

from __future__ import annotations

from collections import OrderedDict

from flotta.edge_api.backends.backend import StoredSecret
from flotta.edge_api.batches import Batch, read_batch
from flotta.fleet.registration_batches import SPECIFICATION_KEY
from flotta.identity.holder import Peer
from flotta.token_bucket import TokenBucket

# Lists of all batches a second, and at once: for certificates of which no watch has told yet.
LIST_RATE = 1.0
LIST_BURST = 5.0
REMEMBERED = 10_000  # certificates that no list had; the one that came longest ago is forgotten


class ParsedBatches:
    """The batches of secrets; their JSON may be long, so it is parsed once for each version."""

    def __init__(self) -> None:
        self._parsed: dict[str, tuple[str, Batch]] = {}  # by name, with the version

    def read(self, secret: StoredSecret, peer: Peer) -> Batch:
        """Return the batch of a secret that holds the certificate of a peer, as `read_batch`."""
        if SPECIFICATION_KEY not in secret.data:  # what it admits is in the certificate
            return read_batch(secret, peer)
        known = self._parsed.get(secret.name)
        if known is not None and known[0] == secret.version:
            return known[1]
        batch = read_batch(secret, peer)
        self._parsed[secret.name] = secret.version, batch
        return batch

    def forget(self, name: str) -> None:
        """Drop the batch of a secret that is gone."""
        self._parsed.pop(name, None)


class Lookups:
    """Bounds how often all batches are listed for a certificate that no known secret holds."""

    def __init__(self) -> None:
        self._unknown: OrderedDict[str, None] = OrderedDict()  # fingerprints that no list had
        self._lists = TokenBucket(LIST_RATE, LIST_BURST)

    def take(self, fingerprint: str) -> bool:
        """Tell whether to list all batches for this certificate now."""
        return fingerprint not in self._unknown and self._lists.take()

    def note_unknown(self, fingerprint: str) -> None:
        """Keep that no list had this certificate."""
        self._unknown[fingerprint] = None
        if len(self._unknown) > REMEMBERED:
            self._unknown.popitem(last=False)

    def note_told(self, fingerprint: str) -> None:
        """Drop what is kept of a certificate of which a change has told."""
        self._unknown.pop(fingerprint, None)

    def note_change(self) -> None:
        """Drop what is kept: a change may have brought any certificate."""
        self._unknown.clear()
