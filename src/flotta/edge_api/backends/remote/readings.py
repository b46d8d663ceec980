"""Reads what the store says about a device, or what it said last while it cannot be asked."""

from __future__ import annotations

import logging
from typing import TypeVar

from flotta.edge_api.backends.backend import Configuration
from flotta.edge_api.backends.remote import requests
from flotta.edge_api.backends.remote.answers import UNKNOWN, read_configuration, read_status
from flotta.edge_api.backends.remote.client import Budget, DeviceName, StoreClient
from flotta.edge_api.backends.remote.counters import StoreMetrics
from flotta.edge_api.backends.remote.knowledge import Delivered, Knowledge, Reading
from flotta.edge_api.backends.remote.problems import StoreAnswerInvalid, StoreError
from flotta.edge_api.refusals import Refusal
from flotta.identity.holder import Peer
from flotta.limited_log import LimitedLog
from flotta.protocol.configuration_api import RegistrationStatus, Status
from flotta.protocol.reasons.refusals import UNKNOWN_DEVICE

T = TypeVar("T")
MAX_ETAG = 1024  # characters of an entity tag that is sent back
WARNINGS = 3, 60.0  # lines of a kind within so many seconds
log = logging.getLogger(__name__)


class Readings:
    """Status and configuration of devices. `stale_seconds`: how old they may be in an outage."""

    def __init__(
        self,
        client: StoreClient,
        knowledge: Knowledge,
        stale_seconds: float,
        metrics: StoreMetrics,
    ) -> None:
        self._client = client
        self._knowledge = knowledge
        self._stale_seconds = stale_seconds
        self._metrics = metrics
        self._stale = {
            "membership": LimitedLog(log, *WARNINGS),
            "configuration": LimitedLog(log, *WARNINGS),
        }
        self._unknown = LimitedLog(log, *WARNINGS)

    async def status(self, name: DeviceName, peer: Peer) -> tuple[RegistrationStatus, bool]:
        """Return what the store says about a device, and whether it says so now.

        Else it is what it said last. Raises StoreError when that is too old, too.
        """
        known = self._knowledge.of(name)
        current = self._knowledge.current(known, known.status)
        if current is not None and current.status != Status.UNREGISTERED.value:
            return current, True  # that a device is to go, the store says each time
        try:
            return await self.ask_status(name, peer), True
        except StoreError as error:
            return self._last_known("membership", name, known.status, error), False

    def known_uid(self, name: DeviceName) -> str:
        """Return the uid that the store gave a device last, "" for none."""
        return self._knowledge.of(name).uid

    async def ask_status(
        self, name: DeviceName, peer: Peer, budget: Budget | None = None
    ) -> RegistrationStatus:
        """Return what the store says about a device now; raises StoreError."""
        known, mark = self._knowledge.of(name), self._knowledge.mark
        answer = await self._client.call(requests.get_registration(name, peer), budget)
        status = UNKNOWN if answer.status == 404 else read_status(name, answer.body)
        if status.status == Status.UNKNOWN.value and peer.kind == "device":
            self._note_unknown(name, known.status)
        self._knowledge.keep_status(known, status, mark)
        return status

    def _note_unknown(self, name: DeviceName, before: Reading[RegistrationStatus] | None) -> None:
        """Say once of a device that has registered that the store does not know it."""
        if before is not None and before.value.status == Status.UNKNOWN.value:
            return
        self._unknown.log(
            logging.WARNING,
            "The data store does not know %s/%s, which has a valid certificate; it is refused and "
            "keeps running. If the store should know it, restore its data, or correct "
            "REMOTE_BACKEND_URL [%s]",
            *name,
            UNKNOWN_DEVICE,
        )

    async def configuration(self, name: DeviceName, peer: Peer) -> Configuration:
        """Return the configuration of a device, or the last one while the store cannot be asked.

        Raises StoreError when that is too old, too; Refusal 404 when the store has none.
        """
        known = self._knowledge.of(name)
        current = self._knowledge.current(known, known.delivered)
        if current is not None:
            return current.configuration
        try:
            return await self.ask_configuration(name, peer)
        except StoreError as error:
            last = self._last_known("configuration", name, known.delivered, error)
            return last.configuration

    def _last_known(
        self, what: str, name: DeviceName, reading: Reading[T] | None, error: StoreError
    ) -> T:
        """Return what was read before, and tell why; raises the error when that is too old."""
        value = self._knowledge.usable(reading, self._stale_seconds)
        if reading is None or value is None:
            raise error
        self._metrics.count_stale(what)
        self._stale[what].log(
            logging.WARNING,
            "%s/%s is served by its %s of %.0f s ago, which is possible for "
            "REMOTE_BACKEND_STALE_SECONDS (%g): %s",
            *name,
            what,
            self._knowledge.age(reading),
            self._stale_seconds,
            error,
        )
        return value

    async def ask_configuration(self, name: DeviceName, peer: Peer) -> Configuration:
        """Return the configuration of a device now; raises StoreError or Refusal 404."""
        known, mark = self._knowledge.of(name), self._knowledge.mark
        before = known.delivered.value if known.delivered else None
        call = requests.get_configuration(name, peer, before.etag if before else "")
        answer = await self._client.call(call)
        if answer.status == 404:
            self._knowledge.forget_delivered(known)
            raise Refusal(
                404,
                "the data store of this control plane has no configuration of the device; it "
                "keeps what it has",
                reason=UNKNOWN_DEVICE,
            )
        if answer.status == 304:
            delivered = _confirmed(before)
        else:
            etag = answer.headers.get("etag", "")
            is_usable = len(etag) <= MAX_ETAG and etag.isascii() and etag.isprintable()
            configuration = _same(before, read_configuration(name, answer.body))
            delivered = Delivered(configuration, etag if is_usable else "")
        self._knowledge.keep_delivered(known, delivered, mark)
        return delivered.configuration

    async def look(self, name: DeviceName, peer: Peer) -> None:
        """Ask about a device whose requests are held; raises StoreError or Refusal 404."""
        await self.ask_status(name, peer)
        if self._knowledge.of(name).delivered is not None:
            await self.ask_configuration(name, peer)


def _confirmed(before: Delivered | None) -> Delivered:
    if before is None:  # the call would not have had an entity tag
        raise StoreAnswerInvalid("The data store answered 304 without a reason; correct it")
    return before


def _same(before: Delivered | None, new: Configuration) -> Configuration:
    """Return the configuration of before if it has the same version, to keep one in memory."""
    if before is not None and before.configuration == new:
        return before.configuration
    return new
