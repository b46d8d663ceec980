"""How many devices may wait for their approval at once.

One registration certificate lies on every device, so whoever holds it can request to join under any
number of ids. What waits is bounded for each certificate and for each namespace; a device that
finds no place tries again later (docs/reference/control-plane.md#limits).
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from flotta.edge_api.refusals import Refusal
from flotta.fleet.joining import CERTIFICATE_ANNOTATION, REQUEST_NAMESPACE, is_approved
from flotta.limited_log import LimitedLog
from flotta.protocol.reasons.refusals import TOO_MANY_PENDING_REQUESTS
from flotta.resources.cache import Cache
from flotta.resources.objects.devices import SignedRequest
from flotta.resources.views import annotations_of, name_of, spec_of

RETRY_AFTER = 300  # seconds until a device that found no place tries again
# Seconds for which a request that was just created counts, until the watch tells of it.
UNSEEN = 60.0
WARNING_INTERVAL = 60.0  # seconds between two warnings
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PendingLimits:
    """The most requests that wait at once."""

    per_certificate: int
    per_namespace: int


@dataclass(frozen=True)
class _Place:
    """What a waiting request counts for."""

    namespace: str  # that the device wants to join
    certificate: str  # hex SHA-256 of the registration certificate, "" if that is not recorded


class PendingRequests:
    """Counts the requests that are not approved, as the watch tells of them."""

    def __init__(self, requests: Cache[SignedRequest], limits: PendingLimits) -> None:
        self._limits = limits
        self._namespaces: Counter[str] = Counter()
        self._certificates: Counter[str] = Counter()
        self._unseen: dict[str, tuple[_Place, float]] = {}  # by name, with the time of creation
        self._warnings = LimitedLog(log, 1, WARNING_INTERVAL)
        requests.subscribe(self._request_changed)

    @contextmanager
    def place(self, device_id: str, namespace: str, certificate: str) -> Iterator[None]:
        """Hold a place for a request that is created in the block; an error gives it back.

        Raises Refusal 429 when there is none.
        """
        self._forget_unseen()
        self._release(device_id)  # it may enrol twice at once
        place = _Place(namespace, certificate)
        self._require_room(place)
        self._unseen[device_id] = place, time.monotonic()
        self._count(place, 1)
        try:
            yield
        except BaseException:
            self._release(device_id)
            raise

    def _require_room(self, place: _Place) -> None:
        if self._certificates[place.certificate] >= self._limits.per_certificate:
            whose = f"with registration certificate {place.certificate[:16]}"
        elif self._namespaces[place.namespace] >= self._limits.per_namespace:
            whose = f"for namespace {place.namespace}"
        else:
            return
        self._warnings.log(
            logging.WARNING,
            "Too many requests %s wait for an approval: approve or delete them (`flotta status`), "
            "or raise the limit; further devices are told to try again later",
            whose,
        )
        raise Refusal(
            429,
            f"too many devices {whose} wait for their approval; try again later",
            reason=TOO_MANY_PENDING_REQUESTS,
            retry_after=RETRY_AFTER,
        )

    def _request_changed(self, old: SignedRequest | None, new: SignedRequest | None) -> None:
        for request, number in ((old, -1), (new, 1)):
            if request is not None:
                self._release(name_of(request))
                if not is_approved(request):
                    self._count(_place_of(request), number)

    def _forget_unseen(self) -> None:
        """Stop counting requests that the watch never told of: they are gone already."""
        oldest = time.monotonic() - UNSEEN
        for name in [name for name, (_, since) in self._unseen.items() if since < oldest]:
            self._release(name)

    def _release(self, name: str) -> None:
        if name in self._unseen:
            place, _ = self._unseen.pop(name)
            self._count(place, -1)

    def _count(self, place: _Place, number: int) -> None:
        for counter, key in (
            (self._namespaces, place.namespace),
            (self._certificates, place.certificate),
        ):
            counter[key] += number
            if not counter[key]:
                del counter[key]


def _place_of(request: SignedRequest) -> _Place:
    namespace = spec_of(request).get("targetNamespace") or REQUEST_NAMESPACE
    return _Place(namespace, annotations_of(request).get(CERTIFICATE_ANNOTATION, ""))
