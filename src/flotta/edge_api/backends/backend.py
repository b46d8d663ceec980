"""The interface of a backend of the Edge API: a fleet of devices, and the server's own secrets."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from flotta.edge_api.backends.authority_store import AuthorityStore
from flotta.edge_api.refusals import Refusal
from flotta.identity.holder import Peer
from flotta.protocol.envelope import encode
from flotta.protocol.models import EnrolmentInfo, Heartbeat, InputsVersion, RegistrationInfo


class BackendError(Exception):
    """The backend could not do its work; another attempt may succeed.

    The text is for the log and may say more than devices should see; they get `refusal`.
    """

    def __init__(self, text: str, refusal: Refusal) -> None:
        super().__init__(text)
        self.refusal = refusal


class SecretConflict(BackendError):
    """A secret was changed since it was read."""


class Membership(enum.Enum):
    """The state of a device certificate's holder.

    What each means for requests is in docs/reference/wire-protocol.md#device-id-and-namespace.
    """

    ACTIVE = "active"
    LEAVING = "leaving"  # the device is being deleted, but may not be told to wipe itself (yet)
    DECOMMISSIONED = "decommissioned"  # the device was deleted for good and has to wipe itself
    ABSENT = "absent"  # no device of this name exists; nobody knows why
    REVOKED = "revoked"  # the device of this name is not the one of the certificate


@dataclass(frozen=True)
class RecordedRegistration:
    """A recorded registration: what the device's certificate will contain."""

    namespace: str
    uid: str  # of this device; a later one of the same name has another


@dataclass(frozen=True)
class Configuration:
    """A rendered configuration."""

    version: str  # changes exactly when the content does
    content: bytes  # JSON of a DeviceConfigurationMessage
    inputs: InputsVersion | None = None  # how new it is; None when that cannot be told

    @property
    def dated_content(self) -> bytes:
        """The content with `inputs`, which changes more often than what is rendered."""
        if self.inputs is None:
            return self.content
        # Inserted, because a configuration is encoded once and may be large.
        return b"".join((self.content[:-1], b',"inputs_version":', encode(self.inputs), b"}"))


@dataclass(frozen=True)
class StoredSecret:
    """A secret as it was read: its values by key; `version` changes with every write."""

    name: str
    data: Mapping[str, bytes] = field(repr=False)  # keys do not belong in logs
    version: str
    registers: bool = False  # whether it is one with a registration certificate
    problem: str = ""  # what is wrong with it, as `replace` noted it
    serves: bool = False  # whether it asks for the certificate of another server


@dataclass(frozen=True)
class StoreCertificate:
    """The certificate that a data store showed last, and where that is."""

    address: str
    der: bytes


class SecretStore(Protocol):
    """Store in which the servers of a fleet share their certificates and keys.

    Every method may raise BackendError.
    """

    async def read(self, name: str) -> StoredSecret | None:
        """Return a secret as of now, None when it does not exist."""

    async def create(
        self, name: str, data: Mapping[str, bytes], *, registration: bool = False
    ) -> StoredSecret:
        """Create a secret and return it, or the one that another server created first.

        `registration` puts it among those that `list_registration_secrets` returns.
        """

    async def replace(
        self, secret: StoredSecret, data: Mapping[str, bytes], *, problem: str | None = None
    ) -> None:
        """Replace the data of a secret; raises SecretConflict when it changed since it was read.

        `problem` is noted beside the data for whoever wrote them, "" removes the note.
        """

    async def remove(self, secret: StoredSecret) -> None:
        """Delete a secret; raises SecretConflict when it changed since it was read."""

    async def list_registration_secrets(self) -> list[StoredSecret]:
        """Return the secrets with registration certificates, those of administrators too."""

    async def list_server_requests(self) -> list[StoredSecret]:
        """Return the secrets that ask for the certificate of another server than this one."""

    def subscribe(self, changed: Callable[[str], None]) -> None:
        """Call `changed(name)` in the loop when a secret was created, changed or deleted.

        Only while the backend runs; it may also be called without a change.
        """


class Backend(Protocol):
    """A fleet of devices, and the secrets of its servers.

    Every method about devices may raise Refusal, which the device gets, or BackendError.
    The server calls in this order: `run` in a task until it stops, `wait_ready`, devices' requests,
    `release_requests`, `flush`, the cancellation of `run`, `close`. `follow` comes before
    `wait_ready`, and again with each renewal.
    """

    @property
    def secrets(self) -> SecretStore:
        """The secrets of the fleet's servers."""

    @property
    def authority(self) -> AuthorityStore:
        """What administrators ask of the fleet's CA."""

    @property
    def wants_certificate(self) -> bool:
        """Whether the backend shows a store that it is the Edge API, by a client certificate."""

    @property
    def store_certificate(self) -> StoreCertificate | None:
        """The certificate of the data store; None where there is none, or none was seen yet."""

    async def follow(self, trust: bytes, certificate: bytes, key: bytes) -> None:
        """Trust these CAs of the fleet, and use this certificate, from now on; all are PEM.

        Behind the certificate comes what vouches for its CA to who knows a former one alone. Both
        it and its key are empty unless `wants_certificate`. Raises nothing.
        """

    @property
    def unready_reason(self) -> str | None:
        """Why this server is not ready for devices, as a sentence; None when it is."""

    async def run(self) -> None:
        """Keep up to date until cancelled. An end before that, or an error, ends the server."""

    async def wait_ready(self) -> None:
        """Wait until devices can be served; needs `run`."""

    def release_requests(self) -> None:
        """Make every `wait_for_change` return now (the server stops)."""

    async def flush(self) -> None:
        """Write what is only in memory; no request is running any more, but `run` is."""

    async def close(self) -> None:
        """Close connections; nothing is called after this."""

    def on_shut_out(self, shut_out: Callable[[str, str], None]) -> None:
        """Call `shut_out(namespace, device_id)` in the loop when a device is quarantined.

        Its idle connections are closed then; its requests are refused by the methods below.
        """

    async def membership(self, peer: Peer) -> Membership:
        """Return the state of a certificate's holder; absence is confirmed, never assumed.

        DECOMMISSIONED makes the device remove everything, so it needs a record of the deletion; a
        device that is merely not found is ABSENT or REVOKED and keeps running.
        """

    async def enrol(
        self, peer: Peer, device_id: str, info: EnrolmentInfo, source_address: str | None
    ) -> bool:
        """Record a request to join; True when the device may register.

        `source_address` is that of the device, None where it is not known.
        """

    async def register(
        self, peer: Peer, device_id: str, info: RegistrationInfo, key_fingerprint: str
    ) -> RecordedRegistration:
        """Record a registration durably, before a certificate is handed out.

        Refusal 404 means "not yet"; others count as failed registrations.
        """

    async def get_configuration(self, peer: Peer) -> Configuration:
        """Return the device's configuration as of now."""

    async def record_heartbeat(self, peer: Peer, message_id: str, heartbeat: Heartbeat) -> bool:
        """Record what a device reports; a `message_id` may come twice.

        Return whether its hardware is known; else the device is asked to report it.
        """

    async def record_disconnect(self, peer: Peer) -> None:
        """Record that the device carried out the disconnect command."""

    async def wait_for_change(self, peer: Peer, seconds: float) -> None:
        """Return when something about the device may have changed, or after that time."""
