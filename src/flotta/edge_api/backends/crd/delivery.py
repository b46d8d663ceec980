"""Whether a device gets its configuration now, or keeps what it has.

A device removes a workload that its configuration does not contain, with its files. So none is
delivered that rests on what this server does not know yet, or on what goes with its namespace
(docs/reference/control-plane.md#adoption).
"""

from __future__ import annotations

from dataclasses import replace

from flotta.edge_api.backends.backend import Configuration, Membership
from flotta.edge_api.backends.crd.caches import Caches
from flotta.edge_api.backends.crd.configurations import Configurations
from flotta.edge_api.backends.crd.membership import judge_membership
from flotta.edge_api.backends.crd.quarantine import require_released
from flotta.edge_api.backends.crd.redefinition import Redefinition
from flotta.edge_api.backends.crd.removals import Removals
from flotta.edge_api.refusals import Refusal
from flotta.fleet.adoption import find_unprotected, is_withheld
from flotta.fleet.joining import has_joined
from flotta.identity.holder import Peer
from flotta.protocol.reasons.refusals import CONFIGURATION_WITHHELD, UNKNOWN_DEVICE
from flotta.resources.client import Client
from flotta.resources.kinds import EDGE_DEVICE
from flotta.resources.objects.devices import EdgeDevice

WITHHELD_RETRY = 10  # seconds until a device asks for a withheld configuration again


class Delivery:
    """Delivers configurations to members of the fleet."""

    def __init__(
        self,
        client: Client,
        caches: Caches,
        configurations: Configurations,
        removals: Removals,
        redefinition: Redefinition,
    ) -> None:
        self._client = client
        self._caches = caches
        self._devices = caches.devices
        self._configurations = configurations
        self._removals = removals
        self._redefinition = redefinition

    async def get(self, peer: Peer) -> Configuration:
        """Return the configuration of a device; raises Refusal to withhold it, and ApiError."""
        device = await self._find_device(peer)
        if is_withheld(device):
            raise _withheld("the device has not shown yet that it would keep what it runs")
        cached = self._configurations.get(device)
        unresolved = cached.rendered.content.unresolved_workloads or ()
        if lost := find_unprotected(device, unresolved):
            raise _withheld(f"its agent would remove {', '.join(lost)}, which cannot be delivered")
        # Before anything is awaited: the rendering is as new as the caches are now.
        inputs = self._caches.inputs_version(device)
        # Asked after the rendering: what the API says then holds for all that it rests on.
        ending = await self._removals.find_ending(peer.namespace)
        if not ending:
            ending = await self._redefinition.withhold(device)
        if ending:
            raise _withheld(ending)
        # Again, after what was waited for: from then on its Secrets stay here.
        require_released(self._devices.get(peer.namespace, peer.device_id))
        return replace(cached.configuration, inputs=inputs)

    async def _find_device(self, peer: Peer) -> EdgeDevice:
        """Return the EdgeDevice, from the cache unless that is older than the certificate."""
        cached = self._devices.get(peer.namespace, peer.device_id)
        if cached is not None and not _is_outdated(cached, peer):
            return cached
        device = await self._client.get_or_none(EDGE_DEVICE, peer.device_id, peer.namespace)
        if device is None:
            raise Refusal(404, "the device does not exist", reason=UNKNOWN_DEVICE)
        if cached is not None and cached["metadata"] != device["metadata"]:
            raise _withheld("the newest EdgeDevice has not reached this server yet")
        return device


def _is_outdated(device: EdgeDevice, peer: Peer) -> bool:
    """Tell whether an EdgeDevice may be older than the registration or adoption of its device.

    Then it does not say yet that the configuration is withheld, and may not have its labels.
    """
    return not has_joined(device) or judge_membership(peer, device) is not Membership.ACTIVE


def _withheld(cause: str) -> Refusal:
    message = f"the configuration is withheld: {cause}"
    return Refusal(503, message, reason=CONFIGURATION_WITHHELD, retry_after=WITHHELD_RETRY)
