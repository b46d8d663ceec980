"""The backend on a remote data store: asks it about devices, and passes on what they report."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from flotta.edge_api.backends.authority_store import AuthorityStore
from flotta.edge_api.backends.backend import (
    Configuration,
    Membership,
    RecordedRegistration,
    SecretStore,
    StoreCertificate,
)
from flotta.edge_api.backends.remote import requests
from flotta.edge_api.backends.remote.applicants import Applicants
from flotta.edge_api.backends.remote.brake import WipeBrake
from flotta.edge_api.backends.remote.circuit import Circuit
from flotta.edge_api.backends.remote.client import DeviceName, StoreClient
from flotta.edge_api.backends.remote.counters import StoreMetrics
from flotta.edge_api.backends.remote.feed import Feed
from flotta.edge_api.backends.remote.grants import Grants
from flotta.edge_api.backends.remote.held_requests import HeldRequests
from flotta.edge_api.backends.remote.joining import Joining
from flotta.edge_api.backends.remote.knowledge import Knowledge
from flotta.edge_api.backends.remote.leaving import Leaving, name_of
from flotta.edge_api.backends.remote.own_stores import OwnStores
from flotta.edge_api.backends.remote.readings import Readings
from flotta.edge_api.backends.remote.secret_batches import SecretBatches
from flotta.edge_api.backends.remote.transport import Transport
from flotta.edge_api.backends.remote.trust import Trust
from flotta.edge_api.metrics import EdgeApiMetrics
from flotta.edge_api.refusals import Refusal
from flotta.edge_api.remote_store import RemoteStore
from flotta.identity.holder import Peer
from flotta.protocol.configuration_api import HEARTBEAT_WANTED_HEADER
from flotta.protocol.directives import HARDWARE
from flotta.protocol.models import EnrolmentInfo, Heartbeat, RegistrationInfo
from flotta.protocol.reasons.refusals import UNKNOWN_DEVICE

log = logging.getLogger(__name__)


class RemoteBackend:
    """Serves devices from one store; `own` is where the certificates of the Edge API are."""

    def __init__(self, store: RemoteStore, own: OwnStores, metrics: EdgeApiMetrics) -> None:
        self._store = store
        self._own = own
        self._metrics = metrics
        self._trust = Trust(has_tls=store.has_tls, ca_file=store.ca_file)
        self._led = asyncio.Event()
        self._transport = Transport(store.url, self._trust.context)
        self._circuit = Circuit()
        brake = WipeBrake(store.wipes_per_hour, Grants(own.secrets))
        counters = StoreMetrics(metrics.registry, self._is_usable, lambda: brake.held)
        self._client = StoreClient(self._transport, self._circuit, store.timeout, counters)
        self._knowledge = Knowledge(self._wake)
        self._readings = Readings(self._client, self._knowledge, store.stale_seconds, counters)
        self._held = HeldRequests(self._readings.look, store.poll_seconds, self._is_usable)
        self._feed = Feed(
            self._transport, self._circuit, self._knowledge, self._held, store.timeout
        )
        self._leaving = Leaving(self._client, self._readings, brake)
        batches = SecretBatches(own.secrets)
        self._joining = Joining(self._client, self._readings, batches, Applicants())

    @property
    def secrets(self) -> SecretStore:
        """The secrets of the fleet's servers."""
        return self._own.secrets

    @property
    def authority(self) -> AuthorityStore:
        """What administrators ask of the fleet's CA."""
        return self._own.authority

    @property
    def wants_certificate(self) -> bool:
        """Whether the store asks for a client certificate: with https."""
        return self._store.has_tls

    @property
    def store_certificate(self) -> StoreCertificate | None:
        """The certificate that the store showed last, None with http."""
        der = self._trust.seen
        return StoreCertificate(self._store.url, der) if der else None

    async def follow(self, trust: bytes, certificate: bytes, key: bytes) -> None:
        """Trust these CAs, and use this certificate, with the next connection to the store."""
        self._trust.follow(trust, certificate, key)
        self._led.set()

    @property
    def unready_reason(self) -> str | None:
        """Why no device can be served: the store never answered. None as soon as it has."""
        if self._circuit.has_answered:
            return None
        if self._circuit.last is not None:
            return self._circuit.last.text
        return "the data store was not asked yet"

    async def run(self) -> None:
        """Follow what changes, and look at devices that hold requests, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._own.run())
            group.create_task(self._held.run())
            group.create_task(self._follow_changes())

    async def _follow_changes(self) -> None:
        await self._led.wait()
        await self._feed.run()

    async def wait_ready(self) -> None:
        """Return at once: the store may need its certificate from this server first."""

    def release_requests(self) -> None:
        """Make every held request get its response now."""
        self._held.wake_all()

    async def flush(self) -> None:
        """Nothing: whatever was acknowledged is in the store."""

    async def close(self) -> None:
        """End the connections."""
        await self._transport.close()
        await self._own.close()

    def on_shut_out(self, shut_out: Callable[[str, str], None]) -> None:
        """Nothing: a store of this API does not quarantine."""

    async def membership(self, peer: Peer) -> Membership:
        """Return the state of a certificate's holder, as the store says it."""
        membership = await self._leaving.membership(peer)
        if membership in (Membership.ABSENT, Membership.REVOKED):
            self._metrics.forget(*name_of(peer))
        return membership

    async def enrol(
        self, peer: Peer, device_id: str, info: EnrolmentInfo, source_address: str | None
    ) -> bool:
        """Tell the store that a device asks to join; one that belongs to the fleet may register."""
        if peer.kind == "registration":
            return await self._joining.enrol(peer, device_id, info)
        if await self.membership(peer) is not Membership.ACTIVE:
            text = "the device does not belong to the fleet of this control plane"
            raise Refusal(403, text, reason=UNKNOWN_DEVICE)
        return True

    async def register(
        self, peer: Peer, device_id: str, info: RegistrationInfo, key_fingerprint: str
    ) -> RecordedRegistration:
        """Record a registration in the store."""
        return await self._joining.register(peer, device_id, info, key_fingerprint)

    async def get_configuration(self, peer: Peer) -> Configuration:
        """Return the configuration in the store, the last known one while that is away."""
        return await self._readings.configuration(name_of(peer), peer)

    async def record_heartbeat(self, peer: Peer, message_id: str, heartbeat: Heartbeat) -> bool:
        """Pass on a heartbeat; it counts as recorded only when the store took it."""
        name = name_of(peer)
        answer = await self._client.call(requests.put_heartbeat(name, peer, message_id, heartbeat))
        if answer.status == 404:
            text = "the device is unknown to the data store of this control plane"
            raise Refusal(404, text, reason=UNKNOWN_DEVICE)
        self._metrics.count_heartbeat(*name)
        return answer.headers.get(HEARTBEAT_WANTED_HEADER.lower()) != HARDWARE

    async def record_disconnect(self, peer: Peer) -> None:
        """Tell the store that the device has removed everything."""
        await self._leaving.record_disconnect(peer)

    async def wait_for_change(self, peer: Peer, seconds: float) -> None:
        """Return when the store may say something else about the device, or after that time."""
        name = name_of(peer)
        has_changed = self._knowledge.has_changed(name)
        await self._held.wait(name, peer, seconds, looks_now=has_changed)

    def _wake(self, name: DeviceName) -> None:
        self._held.wake(name)

    def _is_usable(self) -> bool:
        return not self._circuit.is_open
