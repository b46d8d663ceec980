"""What the Edge API wants of its backend: a fleet of devices, and the server's own secrets."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from flotta.edge_api.refusals import Refusal
from flotta.identity.peers import Peer
from flotta.protocol.models import EnrolmentInfo, Heartbeat, RegistrationInfo


class BackendError(Exception):
    """The backend could not do what was asked, which another attempt may change.

    The text is for the log and may say more than devices should read; they get `refusal`.
    """

    def __init__(self, text: str, refusal: Refusal) -> None:
        super().__init__(text)
        self.refusal = refusal


class SecretConflict(BackendError):
    """A secret is no longer what was read."""


class Membership(enum.Enum):
    """What the holder of a device certificate is to the fleet."""

    ACTIVE = "active"
    LEAVING = "leaving"  # the device is to disconnect; then the fleet forgets it
    ABSENT = "absent"  # there is no device of this name
    REVOKED = "revoked"  # the device of this name is another one


@dataclass(frozen=True)
class RecordedRegistration:
    """A recorded registration: what the device's certificate will say."""

    namespace: str
    uid: str  # of this device; a later one of the same name has another


@dataclass(frozen=True)
class Configuration:
    """A rendered configuration."""

    version: str  # changes exactly when the content does
    content: bytes  # JSON of a DeviceConfigurationMessage


@dataclass(frozen=True)
class StoredSecret:
    """A secret as it was read: its values by key; `version` changes when anybody writes it."""

    name: str
    data: Mapping[str, bytes] = field(repr=False)  # keys do not belong in logs
    version: str


class SecretStore(Protocol):
    """Where the servers of a fleet share their certificates and keys.

    Every method may raise BackendError.
    """

    async def read(self, name: str) -> StoredSecret | None:
        """Return a secret as of now, None when there is none."""

    async def create(
        self, name: str, data: Mapping[str, bytes], *, registration: bool = False
    ) -> StoredSecret:
        """Create a secret and return it, or the one that another server created first.

        `registration` puts it among those that `list_registration_secrets` returns.
        """

    async def replace(self, secret: StoredSecret, data: Mapping[str, bytes]) -> None:
        """Give a secret other data; raises SecretConflict when it is no longer what was read."""

    async def list_registration_secrets(self) -> list[StoredSecret]:
        """Return the secrets with registration certificates; people may have made some of them."""

    def subscribe(self, changed: Callable[[str], None]) -> None:
        """Call `changed(name)` in the loop when a secret was created, changed or deleted.

        Only while the backend runs; a call too many does no harm.
        """


class Backend(Protocol):
    """A fleet of devices, and the secrets of its servers.

    Every method about devices may raise Refusal, which is what the device gets, or BackendError.
    The server calls in this order: `run` in a task until it stops, `wait_ready`, devices' requests,
    `release_requests`, `flush`, the cancellation of `run`, `close`.
    """

    @property
    def secrets(self) -> SecretStore:
        """The secrets of the fleet's servers."""

    @property
    def unready_reason(self) -> str | None:
        """Why no device should be sent here now, as a sentence; None when all is well."""

    async def run(self) -> None:
        """Keep up to date until cancelled. An end before that, or an error, ends the server."""

    async def wait_ready(self) -> None:
        """Wait until devices can be served; needs `run`."""

    def release_requests(self) -> None:
        """Let every `wait_for_change` return now (the server stops)."""

    async def flush(self) -> None:
        """Write what is only in memory; no request is running, `run` still is."""

    async def close(self) -> None:
        """Give up connections; nothing is called after this."""

    async def membership(self, peer: Peer) -> Membership:
        """Tell what a device certificate is worth; absence is confirmed, never guessed."""

    async def enrol(self, peer: Peer, device_id: str, info: EnrolmentInfo) -> bool:
        """Record a request to join; True when the device may register."""

    async def register(
        self, peer: Peer, device_id: str, info: RegistrationInfo, key_fingerprint: str
    ) -> RecordedRegistration:
        """Record a registration durably, before a certificate is handed out.

        Refusal 404 means "not yet"; others count as failed registrations.
        """

    async def get_configuration(self, peer: Peer) -> Configuration:
        """Return the device's configuration as of now."""

    async def record_heartbeat(self, peer: Peer, message_id: str, heartbeat: Heartbeat) -> None:
        """Record what an active device reports; a `message_id` may come twice."""

    async def record_disconnect(self, peer: Peer) -> None:
        """Record that the device obeyed the disconnect command."""

    async def wait_for_change(self, peer: Peer, seconds: float) -> None:
        """Return when something about the device may have changed, or after that time."""
