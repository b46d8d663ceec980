"""How many devices may have requested to join and not registered yet.

Whoever holds a registration certificate can request to join under any number of ids that its batch
admits. What has not registered and was not declined is bounded for each batch and for each
namespace, approved or not; a device that finds no place tries again later
(docs/reference/control-plane.md#limits).
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from flotta.edge_api.refusals import Refusal
from flotta.fleet.joining import (
    CERTIFICATE_ANNOTATION,
    REQUEST_NAMESPACE,
    has_joined,
    is_declined,
)
from flotta.fleet.registration_batches import BATCH_ANNOTATION
from flotta.limited_log import LimitedLog
from flotta.protocol.reasons.refusals import TOO_MANY_PENDING_REQUESTS
from flotta.resources.cache import Cache
from flotta.resources.objects.devices import EdgeDevice, SignedRequest
from flotta.resources.views import annotations_of, key_of, name_of, spec_of

RETRY_AFTER = 300  # seconds until a device that found no place tries again
# Seconds for which a request that was just created counts, until the watch tells of it.
UNSEEN = 60.0
WARNING_INTERVAL = 60.0  # seconds between two warnings
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PendingLimits:
    """The most requests of devices that have not registered."""

    per_batch: int
    per_namespace: int


@dataclass(frozen=True)
class _Place:
    """What a request counts for."""

    namespace: str  # that the device wants to join
    # Name of the batch. Requests of earlier releases have the certificate's fingerprint instead,
    # those that a person made have "".
    batch: str


class PendingRequests:
    """Counts the requests of devices that have not registered, as the watches tell of them."""

    def __init__(
        self, requests: Cache[SignedRequest], devices: Cache[EdgeDevice], limits: PendingLimits
    ) -> None:
        self._limits = limits
        self._requests = requests
        self._devices = devices
        self._namespaces: Counter[str] = Counter()
        self._batches: Counter[str] = Counter()
        self._counted: dict[str, _Place] = {}  # by name
        self._unseen: dict[str, tuple[_Place, float]] = {}  # by name, with the time of creation
        self._warnings = LimitedLog(log, 1, WARNING_INTERVAL)
        requests.subscribe(self._request_changed)
        devices.subscribe(self._device_changed)

    @contextmanager
    def place(self, device_id: str, namespace: str, batch: str) -> Iterator[None]:
        """Hold a place for a request that is created in the block; an error gives it back.

        Raises Refusal 429 when there is none.
        """
        self._forget_unseen()
        self._release(device_id)  # it may enrol twice at once
        place = _Place(namespace, batch)
        if device_id not in self._counted:
            self._require_room(place)
            self._unseen[device_id] = place, time.monotonic()
            self._count(place, 1)
        try:
            yield
        except BaseException:
            self._release(device_id)
            raise

    def _require_room(self, place: _Place) -> None:
        if self._batches[place.batch] >= self._limits.per_batch:
            whose = f"of registration batch {place.batch}"
        elif self._namespaces[place.namespace] >= self._limits.per_namespace:
            whose = f"for namespace {place.namespace}"
        else:
            return
        self._warnings.log(
            logging.WARNING,
            "Too many devices %s have requested to join and not registered: approve or delete "
            "their requests (`flotta status`), or raise the limit; further devices are told to "
            "try again later",
            whose,
        )
        raise Refusal(
            429,
            f"too many devices {whose} have not registered yet; try again later",
            reason=TOO_MANY_PENDING_REQUESTS,
            retry_after=RETRY_AFTER,
        )

    def _request_changed(self, old: SignedRequest | None, new: SignedRequest | None) -> None:
        request = new or old
        if request is not None:
            self._release(name_of(request))
            self._recount(name_of(request), new)

    def _device_changed(self, old: EdgeDevice | None, new: EdgeDevice | None) -> None:
        device = new or old
        joined = [known is not None and has_joined(known) for known in (old, new)]
        if device is not None and joined[0] is not joined[1]:
            name = name_of(device)
            request = self._requests.get(REQUEST_NAMESPACE, name)
            if request is not None and key_of(device) == _device_key(request):
                self._recount(name, request)

    def _recount(self, name: str, request: SignedRequest | None) -> None:
        before = self._counted.pop(name, None)
        if before is not None:
            self._count(before, -1)
        if request is None or is_declined(request):
            return
        device = self._devices.get(*_device_key(request))
        if device is None or not has_joined(device):
            self._counted[name] = _place_of(request)
            self._count(self._counted[name], 1)

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
        for counter, key in ((self._namespaces, place.namespace), (self._batches, place.batch)):
            counter[key] += number
            if not counter[key]:
                del counter[key]


def _device_key(request: SignedRequest) -> tuple[str, str]:
    return spec_of(request).get("targetNamespace") or REQUEST_NAMESPACE, name_of(request)


def _place_of(request: SignedRequest) -> _Place:
    namespace, _ = _device_key(request)
    noted = annotations_of(request)
    return _Place(namespace, noted.get(BATCH_ANNOTATION) or noted.get(CERTIFICATE_ANNOTATION, ""))
