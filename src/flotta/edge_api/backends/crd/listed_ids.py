"""Which registration batch lists a device id: an index of what the watch tells of their Secrets.

An id that a batch lists in `deviceIDs`, not by a pattern, was given to one device.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from flotta.edge_api.backends.resource_api.secrets import stored_secret
from flotta.fleet.batch_specification import SpecificationError, parse_specification
from flotta.fleet.registration_batches import (
    CERTIFICATE_KEY,
    SPECIFICATION_KEY,
    Specification,
    State,
)
from flotta.identity.errors import IdentityError
from flotta.identity.lifetime import load_certificate
from flotta.resources.cache import Cache
from flotta.resources.objects.core import Secret
from flotta.resources.views import name_of, namespace_of


@dataclass(frozen=True)
class _Batch:
    specification: Specification
    not_after: datetime | None  # of its certificate, None while it has none

    @property
    def ids(self) -> frozenset[str]:
        found = self.specification.device_ids
        return found.listed if found else frozenset()

    def is_active(self, now: datetime) -> bool:
        return self.specification.state_at(now, self.not_after) is State.ACTIVE


class ListedIDs:
    """The ids that the batches of one namespace list, at most MAX_IDS for each."""

    def __init__(self, secrets: Cache[Secret], namespace: str) -> None:
        self._namespace = namespace
        self._batches: dict[str, _Batch] = {}  # by name; those that list ids
        self._names: defaultdict[str, set[str]] = defaultdict(set)  # of batches, by id
        secrets.subscribe(self._secret_changed)

    def find_other(self, device_id: str, batch: str) -> str | None:
        """Return the name of another active batch that lists the id, None if there is none."""
        now = datetime.now(UTC)
        names = sorted(self._names.get(device_id, set()) - {batch})
        return next((name for name in names if self._batches[name].is_active(now)), None)

    def _secret_changed(self, old: Secret | None, new: Secret | None) -> None:
        secret = new or old
        if secret is None or namespace_of(secret) != self._namespace:
            return
        name = name_of(secret)
        if (before := self._batches.pop(name, None)) is not None:
            for device_id in before.ids:
                self._names[device_id].discard(name)
                if not self._names[device_id]:
                    del self._names[device_id]
        now = _read(new) if new is not None else None
        if now is not None and now.ids:
            self._batches[name] = now
            for device_id in now.ids:
                self._names[device_id].add(name)


def _read(secret: Secret) -> _Batch | None:
    """Return the batch of a Secret, None for another one or an invalid specification."""
    stored = stored_secret(secret)
    text = stored.data.get(SPECIFICATION_KEY) if stored.registers else None
    if text is None:
        return None
    not_after = None
    with suppress(IdentityError):
        not_after = load_certificate(stored.data.get(CERTIFICATE_KEY, b"")).not_valid_after_utc
    try:
        return _Batch(parse_specification(text), not_after)
    except SpecificationError:
        return None
