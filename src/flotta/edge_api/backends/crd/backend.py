"""The backend on the resource API: devices are EdgeDevice objects."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

from flotta.edge_api.backends.backend import Configuration, Membership, RecordedRegistration
from flotta.edge_api.backends.crd.acknowledgements import note_acknowledgement
from flotta.edge_api.backends.crd.batches import Batches
from flotta.edge_api.backends.crd.caches import Caches
from flotta.edge_api.backends.crd.configurations import Configurations
from flotta.edge_api.backends.crd.decisions import Decisions
from flotta.edge_api.backends.crd.delivery import Delivery
from flotta.edge_api.backends.crd.enrolments import Enrolments
from flotta.edge_api.backends.crd.event_limits import EventLimits
from flotta.edge_api.backends.crd.events import Events
from flotta.edge_api.backends.crd.hardware_labels import HardwareLabels
from flotta.edge_api.backends.crd.heartbeats import HeartbeatRecorder
from flotta.edge_api.backends.crd.left_behind import LeftBehindSearch
from flotta.edge_api.backends.crd.listed_ids import ListedIDs
from flotta.edge_api.backends.crd.members import Members
from flotta.edge_api.backends.crd.membership import judge_membership
from flotta.edge_api.backends.crd.pending_requests import PendingLimits, PendingRequests
from flotta.edge_api.backends.crd.presence import PresenceTracker
from flotta.edge_api.backends.crd.problems import ProblemReporter
from flotta.edge_api.backends.crd.redefinition import Redefinition
from flotta.edge_api.backends.crd.registrations import Registrations
from flotta.edge_api.backends.crd.removals import Removals
from flotta.edge_api.backends.crd.statuses import Statuses
from flotta.edge_api.backends.crd.tombstones import Tombstones
from flotta.edge_api.backends.crd.unknown_devices import UnknownDevices
from flotta.edge_api.backends.crd.uses import Uses
from flotta.edge_api.backends.crd.wakeups import Wakeups
from flotta.edge_api.backends.crd.withholding import Withholding
from flotta.edge_api.backends.resource_api.authority import ConfigMapAuthority
from flotta.edge_api.backends.resource_api.errors import translate_api_errors
from flotta.edge_api.backends.resource_api.secrets import Secrets
from flotta.edge_api.metrics import EdgeApiMetrics
from flotta.edge_api.settings import Settings
from flotta.fleet.adoption import (
    FORMER_KEY_ANNOTATION,
    FORMER_UID_ANNOTATION,
    former_identity,
)
from flotta.fleet.certificates import describe_certificate
from flotta.fleet.former_keys import KeyReplacement
from flotta.fleet.former_labels import is_unsettled
from flotta.fleet.quarantine import is_quarantined
from flotta.fleet.tombstones import read_tombstone, tombstone_name
from flotta.identity.holder import Peer
from flotta.protocol.models import EnrolmentInfo, Heartbeat, RegistrationInfo
from flotta.protocol.reasons.conditions import ACKNOWLEDGED
from flotta.resources.changes import change_metadata
from flotta.resources.client import Client, NotFound
from flotta.resources.conditions import DISCONNECTED, with_condition
from flotta.resources.kinds import CONFIG_MAP, EDGE_DEVICE, SECRET, SIGNED_REQUEST
from flotta.resources.objects.devices import EdgeDevice, EdgeDeviceStatus
from flotta.resources.views import (
    Key,
    key_of,
    name_of,
    namespace_of,
    status_of,
    uid_of,
)


class CrdBackend:
    """Serves devices from watched caches and writes what they report into EdgeDevice."""

    def __init__(self, client: Client, settings: Settings, metrics: EdgeApiMetrics) -> None:
        self._client = client
        self._metrics = metrics
        self._caches = Caches(client)
        self._secrets = Secrets(client, settings.namespace, self._caches.of(SECRET))
        self._authority = ConfigMapAuthority(
            client,
            settings.namespace,
            self._caches.of(CONFIG_MAP),
            LeftBehindSearch(client, settings.namespace).find,
        )
        self._namespace = settings.namespace
        self._wakeups = Wakeups()
        self._tombstones = Tombstones(
            self._caches.of(CONFIG_MAP), settings.namespace, self._wakeups.wake
        )
        self._members = Members(client, self._caches.devices, self._tombstones)
        self._statuses = Statuses(client, self._caches.devices)
        self._events = Events(client, self._caches, EventLimits(metrics))
        self._enrolments, self._registrations = _make_joining(client, self._caches, settings)
        self._configurations = Configurations(
            self._caches, self._wakeups, settings.s3_device_endpoint
        )
        self._problems = ProblemReporter(
            self._caches, self._configurations, self._statuses, self._events
        )
        self._presence = PresenceTracker(
            self._caches,
            self._statuses,
            settings.presence_write_seconds,
            self._events.write_silence,
        )
        self._unknown = UnknownDevices(client, self._caches.of(CONFIG_MAP), settings.namespace)
        removals = Removals(client, self._caches)
        redefinition = Redefinition(client, self._caches, removals)
        self._delivery = Delivery(
            client, self._caches, self._configurations, removals, redefinition
        )
        withholding = Withholding(client, self._configurations, self._statuses, redefinition)
        self._heartbeats = HeartbeatRecorder(
            self._statuses, self._presence, self._events, HardwareLabels(client), withholding
        )
        self._caches.devices.subscribe(self._device_changed)
        self._shut_out: Callable[[str, str], None] = lambda *_: None

    @property
    def secrets(self) -> Secrets:
        """Secrets of the Flotta namespace."""
        return self._secrets

    @property
    def authority(self) -> ConfigMapAuthority:
        """Requests about the fleet's CA."""
        return self._authority

    @property
    def unready_reason(self) -> str | None:
        """Why the caches cannot be relied on, None when they can."""
        return self._caches.unhealthy_reason

    @property
    def wants_certificate(self) -> bool:
        """Not: the kubeconfig has what the resource API asks for."""
        return False

    @property
    def store_certificate(self) -> None:
        """None: that of the resource API is its own matter."""

    async def follow(self, trust: bytes, certificate: bytes, key: bytes) -> None:
        """Nothing: the resource API has a PKI of its own."""

    async def wait_ready(self) -> None:
        """Wait until every cache holds its first list."""
        await self._caches.wait_synced()

    async def run(self) -> None:
        """Keep caches and presence current until cancelled, then finish pending writes."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._caches.run())
            group.create_task(self._presence.run())
            group.create_task(self._problems.run())
            group.create_task(self._unknown.run())

    @translate_api_errors
    async def flush(self) -> None:
        """Write when devices were last heard from."""
        await self._presence.flush()

    async def close(self) -> None:
        """End the connections to the API server."""
        await self._client.close()

    def release_requests(self) -> None:
        """Make every held request get its response now."""
        self._wakeups.wake_all()

    def on_shut_out(self, shut_out: Callable[[str, str], None]) -> None:
        """Call `shut_out(namespace, device_id)` when a watch reports that a device is quarantined.

        Its held requests are answered at the same time: what they wait for has changed.
        """
        self._shut_out = shut_out

    @translate_api_errors
    async def membership(self, peer: Peer) -> Membership:
        """Return the state of a certificate's holder, and record one that is not known.

        Raises Refusal for a device that is quarantined.
        """
        membership = await self._members.judge(peer)
        if membership in (Membership.ABSENT, Membership.REVOKED):
            self._unknown.note(peer)
        elif membership is not Membership.LEAVING:
            self._unknown.forget(peer)
        return membership

    @translate_api_errors
    async def enrol(
        self, peer: Peer, device_id: str, info: EnrolmentInfo, source_address: str | None
    ) -> bool:
        """Record a request to join; a device that belongs to the fleet may register.

        See docs/reference/wire-protocol.md#enrolment.
        """
        if peer.kind == "device":
            await self._members.require_active(peer)
            return True
        return await self._enrolments.enrol(peer, device_id, info, source_address)

    @translate_api_errors
    async def register(
        self, peer: Peer, device_id: str, info: RegistrationInfo, key_fingerprint: str
    ) -> RecordedRegistration:
        """Record hardware, labels and key of a device; `registrations` says when it may."""
        if peer.kind == "device":
            await self._members.require_active(peer)
        return await self._registrations.register(peer, device_id, info, key_fingerprint)

    @translate_api_errors
    async def get_configuration(self, peer: Peer) -> Configuration:
        """Return the configuration; it is rendered again when one of its inputs changed."""
        return await self._delivery.get(peer)

    async def wait_for_change(self, peer: Peer, seconds: float) -> None:
        """Return when a watch reports a change of the configuration's inputs, or after the time."""
        await self._wakeups.wait(key_of_peer(peer), seconds)

    @translate_api_errors
    async def record_heartbeat(self, peer: Peer, message_id: str, heartbeat: Heartbeat) -> bool:
        """Write what is new to the EdgeDevice; tell whether its hardware is known."""
        key = key_of_peer(peer)
        known = await self._heartbeats.record(
            key, message_id, heartbeat, describe_certificate(peer)
        )
        await self._end_adoption(peer)
        self._metrics.count_heartbeat(*key)
        device = self._caches.devices.get(*key)
        # Labels that changed for a moment may change back: without the hardware nobody learns it.
        return "hardware" in known and (device is None or not is_unsettled(device))

    @translate_api_errors
    async def record_disconnect(self, peer: Peer) -> None:
        """Set condition Disconnected, which lets the operator finish deleting the EdgeDevice.

        Only for a device that was told to wipe itself: what others say here changes nothing.
        """
        # The device sends it once, and may have got the command from another replica: the watches
        # of this one need not have reported the deletion yet.
        device = await self._read_device(key_of_peer(peer))
        names = self._tombstones.granted_names(peer)
        names |= {tombstone_name(uid_of(device))} if device is not None else set()
        await note_acknowledgement(self._client, self._namespace, names, peer)
        if device is None or not await self._is_granted(peer, device):
            return

        def change(device: EdgeDevice) -> EdgeDeviceStatus:
            status = status_of(device)
            if judge_membership(peer, device) is not Membership.LEAVING:
                return status
            conditions = with_condition(
                status.get("conditions"),
                DISCONNECTED,
                "True",
                ACKNOWLEDGED,
                "The device has disconnected and removed its workloads.",
                datetime.now(UTC),
                device["metadata"].get("generation"),
            )
            return {**status, "conditions": conditions}

        try:
            await self._statuses.update(key_of_peer(peer), change, reread=True)
        except NotFound:
            return

    async def _end_adoption(self, peer: Peer) -> None:
        """Accept the former certificate of an adopted device no longer: it uses its new one."""
        device = self._caches.devices.get(*key_of_peer(peer))
        if device is None or former_identity(device) is None or peer.uid != uid_of(device):
            return
        forgotten: dict[str, str | None] = {
            FORMER_UID_ANNOTATION: None,
            FORMER_KEY_ANNOTATION: None,
        }
        patch = change_metadata({"annotations": forgotten})
        await self._client.merge_patch(EDGE_DEVICE, name_of(device), namespace_of(device), patch)

    async def _is_granted(self, peer: Peer, device: EdgeDevice) -> bool:
        name = tombstone_name(uid_of(device))
        stored = await self._client.get_or_none(CONFIG_MAP, name, self._namespace)
        tombstone = read_tombstone(stored)
        return tombstone is not None and tombstone.granted and tombstone.holds_for(peer)

    async def _read_device(self, key: Key) -> EdgeDevice | None:
        namespace, name = key
        return await self._client.get_or_none(EDGE_DEVICE, name, namespace)

    def _device_changed(self, old: EdgeDevice | None, new: EdgeDevice | None) -> None:
        if old is not None and new is None:
            self._forget(key_of(old))
        if new is not None and is_quarantined(new) and not is_quarantined(old):
            self._shut_out(*key_of(new))
        if old and new and KeyReplacement.of(new) not in (None, KeyReplacement.of(old)):
            self._wakeups.wake(key_of(new))  # a former key is refused at once

    def _forget(self, key: Key) -> None:
        self._presence.forget(key)
        self._metrics.forget(*key)
        self._heartbeats.forget(key)


def key_of_peer(peer: Peer) -> Key:
    """Return the key of the EdgeDevice that a device certificate belongs to."""
    return peer.namespace, peer.device_id


def _make_joining(
    client: Client, caches: Caches, settings: Settings
) -> tuple[Enrolments, Registrations]:
    devices, namespace = caches.devices, settings.namespace
    limits = PendingLimits(settings.pending_per_certificate, settings.pending_per_namespace)
    pending = PendingRequests(caches.of(SIGNED_REQUEST), devices, limits)
    batches = Batches(client, caches.of(SECRET), namespace)
    uses = Uses(client, caches.of(CONFIG_MAP), namespace)
    decisions = Decisions(client, uses, ListedIDs(caches.of(SECRET), namespace))
    return (
        Enrolments(client, devices, batches, decisions, uses, pending),
        Registrations(client, devices, batches, uses),
    )
