"""A backend of the Edge API in memory: what one has to have, and a package for `BACKENDS`."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from flotta.edge_api.backends.authority_store import LeftBehind
from flotta.edge_api.backends.backend import (
    BackendError,
    Configuration,
    Membership,
    RecordedRegistration,
    SecretConflict,
    StoreCertificate,
    StoredSecret,
)
from flotta.edge_api.batches import (
    Batch,
    holds,
    no_batch,
    read_batch,
    require_active,
    require_admitted,
)
from flotta.edge_api.metrics import EdgeApiMetrics
from flotta.edge_api.refusals import Refusal
from flotta.edge_api.settings import Settings
from flotta.identity.holder import Peer
from flotta.identity.rollover import RolloverAnswer, RolloverRequest
from flotta.protocol.models import EnrolmentInfo, Heartbeat, RegistrationInfo

made: list[MemoryBackend] = []  # by `make_backend`, the newest last


async def make_backend(settings: Settings, metrics: EdgeApiMetrics) -> MemoryBackend:
    made.append(MemoryBackend())
    return made[-1]


class MemorySecrets:
    """A SecretStore."""

    def __init__(self) -> None:
        self._secrets: dict[str, StoredSecret] = {}
        self._registration: set[str] = set()
        self._serving: set[str] = set()
        self._callbacks: list[Callable[[str], None]] = []

    async def read(self, name: str) -> StoredSecret | None:
        return self._secrets.get(name)

    async def create(
        self, name: str, data: Mapping[str, bytes], *, registration: bool = False
    ) -> StoredSecret:
        if name not in self._secrets:
            self._registration |= {name} if registration else set()
            self._put(name, data)
        return self._secrets[name]

    async def replace(
        self, secret: StoredSecret, data: Mapping[str, bytes], *, problem: str | None = None
    ) -> None:
        self._require_unchanged(secret)
        self._put(secret.name, data, secret.problem if problem is None else problem)

    async def remove(self, secret: StoredSecret) -> None:
        self._require_unchanged(secret)
        self.forget(secret.name)

    def _require_unchanged(self, secret: StoredSecret) -> None:
        if self._secrets.get(secret.name) != secret:
            raise SecretConflict(
                f"{secret.name} was changed", Refusal(503, "try again", reason="Conflict")
            )

    async def list_registration_secrets(self) -> list[StoredSecret]:
        return [self._secrets[name] for name in sorted(self._registration)]

    async def list_server_requests(self) -> list[StoredSecret]:
        return [secret for _, secret in sorted(self._secrets.items()) if secret.serves]

    def subscribe(self, changed: Callable[[str], None]) -> None:
        self._callbacks.append(changed)

    def ask(self, name: str, request: bytes) -> None:
        """Put a secret there that asks for the certificate of another server."""
        self._serving.add(name)
        self._put(name, {"request": request})

    def forget(self, name: str) -> None:
        del self._secrets[name]
        self._registration.discard(name)
        self._notify(name)

    def _put(self, name: str, data: Mapping[str, bytes], problem: str = "") -> None:
        registers = name in self._registration
        self._secrets[name] = StoredSecret(
            name, data, uuid.uuid4().hex, registers, problem, name in self._serving
        )
        self._notify(name)

    def _notify(self, name: str) -> None:
        for changed in self._callbacks:
            changed(name)


class MemoryAuthority:
    """An AuthorityStore; a test puts a request into it."""

    def __init__(self) -> None:
        self.request: RolloverRequest | None = None
        self.answers: list[RolloverAnswer] = []
        self.published: Mapping[str, str] = {}
        self.left_behind = LeftBehind()
        self.warnings: list[tuple[str, str, str]] = []  # secret, code, sentence
        self._callbacks: list[Callable[[], None]] = []

    def ask(self, request: RolloverRequest) -> None:
        self.request = request
        for changed in self._callbacks:
            changed()

    async def read_request(self) -> RolloverRequest | None:
        return self.request

    async def answer(self, request: RolloverRequest, answer: RolloverAnswer) -> None:
        if self.request == request:
            self.request = None
            self.answers.append(answer)

    async def find_left_behind(self, authority: str) -> LeftBehind:
        return self.left_behind

    async def publish(self, certificates: Mapping[str, str]) -> None:
        self.published = certificates

    async def warn(self, secret: str, code: str, sentence: str) -> None:
        self.warnings.append((secret, code, sentence))

    def subscribe(self, changed: Callable[[], None]) -> None:
        self._callbacks.append(changed)


@dataclass
class MemoryDevice:
    uid: str = field(default_factory=lambda: str(uuid.uuid4()))
    version: int = 1  # of its configuration
    heartbeats: list[Heartbeat] = field(default_factory=list)
    is_leaving: bool = False
    has_left: bool = False


class MemoryBackend:
    """Devices by id; a test approves them, changes their configuration, or breaks the backend."""

    wants_certificate = False
    store_certificate: StoreCertificate | None = None

    def __init__(self) -> None:
        self.secrets = MemorySecrets()
        self.authority = MemoryAuthority()
        self.devices: dict[str, MemoryDevice] = {}
        self.enrolled: list[str] = []
        self.ending: list[str] = []  # what the server does when it stops, in order
        self.broken = False
        self.followed: list[tuple[bytes, bytes, bytes]] = []  # what `follow` got
        self.holding = 0  # requests that wait for a change
        self._running = asyncio.Event()
        self._changed = asyncio.Event()

    async def follow(self, trust: bytes, certificate: bytes, key: bytes) -> None:
        self.followed.append((trust, certificate, key))

    @property
    def unready_reason(self) -> str | None:
        return "the memory is broken" if self.broken else None

    async def run(self) -> None:
        self._running.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.ending.append("end of run")

    async def wait_ready(self) -> None:
        await self._running.wait()

    def release_requests(self) -> None:
        self.ending.append("release_requests")
        self.change()

    async def flush(self) -> None:
        self.ending.append("flush")

    async def close(self) -> None:
        self.ending.append("close")

    def change(self) -> None:
        """Wake what waits for a change."""
        self._changed.set()
        self._changed = asyncio.Event()

    def on_shut_out(self, shut_out: Callable[[str, str], None]) -> None:
        return

    async def membership(self, peer: Peer) -> Membership:
        if self.broken:
            raise BackendError(
                "bit 7 is stuck", Refusal(503, "not now", reason="Starting", retry_after=3)
            )
        device = self.devices.get(peer.device_id)
        if device is None:
            return Membership.ABSENT
        if device.uid != peer.uid:
            return Membership.REVOKED
        return Membership.DECOMMISSIONED if device.is_leaving else Membership.ACTIVE

    async def enrol(
        self, peer: Peer, device_id: str, info: EnrolmentInfo, source_address: str | None
    ) -> bool:
        if peer.kind == "registration":
            batch = await self._batch(peer)
            namespace = info.target_namespace or batch.namespaces[0]
            require_admitted(batch, device_id, namespace, info.public_key_fingerprint)
        self.enrolled.append(device_id)
        return device_id in self.devices

    async def register(
        self, peer: Peer, device_id: str, info: RegistrationInfo, key_fingerprint: str
    ) -> RecordedRegistration:
        if peer.kind == "registration":
            require_admitted(await self._batch(peer), device_id, peer.namespace, key_fingerprint)
        if device_id not in self.devices:
            raise Refusal(404, "the device is not approved yet", reason="NotApproved")
        return RecordedRegistration("default", self.devices[device_id].uid)

    async def _batch(self, peer: Peer) -> Batch:
        secrets = await self.secrets.list_registration_secrets()
        secret = next((secret for secret in secrets if holds(secret, peer)), None)
        if secret is None:
            raise no_batch()
        batch = read_batch(secret, peer)
        require_active(batch, peer, datetime.now(UTC))
        return batch

    async def get_configuration(self, peer: Peer) -> Configuration:
        version = str(self.devices[peer.device_id].version)
        return Configuration(version, b'{"version": "%s"}' % version.encode())

    async def record_heartbeat(self, peer: Peer, message_id: str, heartbeat: Heartbeat) -> bool:
        self.devices[peer.device_id].heartbeats.append(heartbeat)
        return True

    async def record_disconnect(self, peer: Peer) -> None:
        self.devices[peer.device_id].has_left = True

    async def wait_for_change(self, peer: Peer, seconds: float) -> None:
        self.holding += 1
        try:
            await asyncio.wait([asyncio.create_task(self._changed.wait())], timeout=seconds)
        finally:
            self.holding -= 1
