"""Who belongs to the fleet: certificates compared with EdgeDevices, tombstones and quarantines.

The rules are in docs/reference/wire-protocol.md#device-id-and-namespace.
"""

from __future__ import annotations

from flotta.edge_api.backends.backend import Membership
from flotta.edge_api.backends.crd.key_replacement import require_current_key
from flotta.edge_api.backends.crd.membership import judge_membership
from flotta.edge_api.backends.crd.quarantine import require_released
from flotta.edge_api.backends.crd.tombstones import Tombstones
from flotta.edge_api.refusals import Refusal
from flotta.fleet.membership import is_of_former_key
from flotta.identity.holder import Peer
from flotta.protocol.reasons.refusals import DEVICE_LEAVING, UNKNOWN_DEVICE
from flotta.protocol.reasons.workloads import STARTING
from flotta.resources.cache import Cache
from flotta.resources.client import Client
from flotta.resources.kinds import EDGE_DEVICE
from flotta.resources.objects.devices import EdgeDevice

PRESENT = (Membership.ACTIVE, Membership.LEAVING)  # their EdgeDevice exists


class Members:
    """Judges the holders of certificates."""

    def __init__(self, client: Client, devices: Cache[EdgeDevice], tombstones: Tombstones) -> None:
        self._client = client
        self._devices = devices
        self._tombstones = tombstones

    async def judge(self, peer: Peer) -> Membership:
        """Return the state of a certificate's holder; raises Refusal if it is quarantined.

        The cache decides, unless it says that the device is gone, or came back with another key:
        then the API itself is asked.
        Raises ApiError.
        """
        namespace, name = peer.namespace, peer.device_id
        device = self._devices.get(namespace, name)
        membership = judge_membership(peer, device)
        # A device that is to wipe itself has to learn that, quarantined or not.
        if membership is not Membership.ACTIVE and self._tombstones.grants_wipe(peer):
            return Membership.DECOMMISSIONED
        # The watch may not have told yet of the renewal by which the device got its certificate.
        is_former = device is not None and is_of_former_key(device, peer)
        if membership not in PRESENT or is_former:
            if not self._devices.synced:
                raise Refusal(503, "the server is starting", reason=STARTING, retry_after=2)
            device = await self._client.get_or_none(EDGE_DEVICE, name, namespace)
            membership = judge_membership(peer, device)
        if membership in PRESENT:
            require_released(device)
            require_current_key(device, peer)
        return membership

    async def require_active(self, peer: Peer) -> None:
        """Refuse the holder of a certificate that is not a member. Raises ApiError."""
        # Earlier keys of a device may come here; only that of its polls is recorded.
        membership = await self.judge(peer)
        if membership is not Membership.ACTIVE:
            unknown = membership in (Membership.ABSENT, Membership.REVOKED)
            raise Refusal(
                403,
                f"the certificate is revoked: the device is {membership.value}",
                reason=UNKNOWN_DEVICE if unknown else DEVICE_LEAVING,
            )
