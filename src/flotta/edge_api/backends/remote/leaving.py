"""Whether a device belongs to the fleet, and how it leaves.

Only the store's own word, of this moment, makes a device remove everything, and the brake allows
it to a number of devices an hour (docs/reference/configuration-api.md#leaving).
"""

from __future__ import annotations

import logging

from flotta.edge_api.backends.backend import Membership
from flotta.edge_api.backends.remote import requests
from flotta.edge_api.backends.remote.brake import WipeBrake
from flotta.edge_api.backends.remote.client import DeviceName, StoreClient
from flotta.edge_api.backends.remote.grants import Leaver
from flotta.edge_api.backends.remote.readings import Readings
from flotta.edge_api.backends.remote.registration_rules import (
    find_contradiction,
    judge_membership,
)
from flotta.identity.holder import Peer
from flotta.limited_log import LimitedLog
from flotta.protocol.configuration_api import RegistrationStatus
from flotta.protocol.reasons.refusals import STORE_ANSWER_INVALID

WARNING_INTERVAL = 60.0  # seconds between two lines about wishes that contradict what was said
log = logging.getLogger(__name__)


class Leaving:
    """Judges members, and passes on that one has gone."""

    def __init__(self, client: StoreClient, readings: Readings, brake: WipeBrake) -> None:
        self._client = client
        self._readings = readings
        self._brake = brake
        self._warnings = LimitedLog(log, 1, WARNING_INTERVAL)

    async def membership(self, peer: Peer) -> Membership:
        """Return the state of a device certificate's holder; raises StoreError."""
        name, leaver = name_of(peer), _leaver(peer)
        status, is_now = await self._readings.status(name, peer)
        membership = judge_membership(peer, status)
        if membership is not Membership.DECOMMISSIONED:
            self._brake.release(leaver)
            return membership
        if self._is_of_another(peer, status):
            self._brake.release(leaver)
            return Membership.LEAVING
        if not is_now or not await self._brake.grant(leaver):
            return Membership.LEAVING
        return Membership.DECOMMISSIONED

    async def record_disconnect(self, peer: Peer) -> None:
        """Tell the store that a device has removed everything, if it is to go; raises StoreError.

        Who was told, another server may know, or this one before it was started again.
        """
        status, _ = await self._readings.status(name_of(peer), peer)
        is_to_go = judge_membership(peer, status) is Membership.DECOMMISSIONED
        if is_to_go and not self._is_of_another(peer, status):
            await self._client.call(requests.put_disconnect(name_of(peer), peer))

    def _is_of_another(self, peer: Peer, status: RegistrationStatus) -> bool:
        """Tell whether the wish that a device goes contradicts what the store said of it before."""
        cause = find_contradiction(peer, status, self._readings.known_uid(name_of(peer)))
        if cause:
            self._warnings.log(
                logging.WARNING,
                "The data store says that %s/%s is unregistered, but %s: it keeps running. Correct "
                "the store; if it is meant, restart the Edge API [%s]",
                *name_of(peer),
                cause,
                STORE_ANSWER_INVALID,
            )
        return bool(cause)


def name_of(peer: Peer) -> DeviceName:
    """Return the name in a device certificate."""
    return DeviceName(peer.namespace, peer.device_id)


def _leaver(peer: Peer) -> Leaver:
    return Leaver(name_of(peer), peer.uid or "")
