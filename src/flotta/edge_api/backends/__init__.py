"""What is behind the wire interface of the Edge API."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Protocol

from flotta.identity.peers import Peer
from flotta.protocol.models import EnrolmentInfo, Heartbeat, RegistrationInfo


class Membership(enum.Enum):
    """What the holder of a device certificate is to the fleet."""

    ACTIVE = "active"
    LEAVING = "leaving"  # its EdgeDevice is being deleted
    ABSENT = "absent"  # there is no EdgeDevice
    REVOKED = "revoked"  # the EdgeDevice of this name is another one


@dataclass(frozen=True)
class RecordedRegistration:
    """A recorded registration: what the device's certificate will say."""

    namespace: str
    uid: str


@dataclass(frozen=True)
class Configuration:
    """A rendered configuration: JSON of the message content, and what identifies it."""

    version: str
    content: bytes


class Backend(Protocol):
    """A fleet of devices. Every method may raise Refusal; other errors are temporary failures."""

    async def membership(self, peer: Peer) -> Membership:
        """Tell what a device certificate is worth; absence is confirmed, never guessed."""

    async def enrol(self, peer: Peer, device_id: str, info: EnrolmentInfo) -> bool:
        """Record a request to join; True when the device may register."""

    async def register(
        self, peer: Peer, device_id: str, info: RegistrationInfo, key_fingerprint: str
    ) -> RecordedRegistration:
        """Record a registration durably, before a certificate is handed out."""

    async def get_configuration(self, peer: Peer) -> Configuration:
        """Return the device's configuration as of now."""

    async def record_heartbeat(self, peer: Peer, message_id: str, heartbeat: Heartbeat) -> None:
        """Record what an active device reports."""

    async def record_disconnect(self, peer: Peer) -> None:
        """Record that the device obeyed the disconnect command."""

    async def wait_for_change(self, peer: Peer, seconds: float) -> None:
        """Return when something about the device may have changed, or after that time."""
