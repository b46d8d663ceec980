"""The Edge Configuration API: what an Edge API and a remote data store say to each other.

The paths and the models of v0.2, and optional additions to them, which a store may leave out and a
reader ignores when it does not know them (docs/reference/configuration-api.md).
"""

from __future__ import annotations

import enum
from typing import Final

import msgspec

from flotta.protocol.directives import WANTED_HEADER
from flotta.protocol.envelope import NULL

BASE_PATH: Final = "/api/flotta-backend/v1"
# Below `/namespaces/{namespace}/devices/{device_id}`.
CONFIGURATION: Final = "configuration"
ENROLMENT: Final = "enrolment"
REGISTRATION: Final = "registration"
HEARTBEAT: Final = "heartbeat"
PLAYBOOK_EXECUTIONS: Final = "playbookexecutions"
DISCONNECT: Final = "disconnect"  # addition: PUT, the device carried out the command to go
# Addition, below the base path: GET `changes?after=N`, held as long as `Prefer: wait=S` says.
CHANGES: Final = "changes"

# Statuses of POST enrolment.
KNOWN: Final = 200  # the device may register
RECORDED: Final = 201

# Headers of the requests of an Edge API; additions.
PEER_HEADER: Final = "Flotta-Peer"  # `registration` or `device`: whose certificate it is
UID_HEADER: Final = "Flotta-Device-UID"  # in the certificate of a device
FINGERPRINT_HEADER: Final = "Flotta-Public-Key-Fingerprint"  # of the key that registers
BATCH_HEADER: Final = "Flotta-Registration-Batch"  # name of the batch of the certificate
MESSAGE_ID_HEADER: Final = "Flotta-Message-ID"  # of a heartbeat: one that comes twice is the same
# Header of the response to a heartbeat; an addition. Its value is `directives.HARDWARE`.
HEARTBEAT_WANTED_HEADER: Final = WANTED_HEADER


class Status(enum.Enum):
    """What a store says about a device."""

    REGISTERED = "registered"
    UNREGISTERED = "unregistered"  # the wish, on record, that it goes and removes everything
    UNKNOWN = "unknown"


class RegistrationStatus(msgspec.Struct, omit_defaults=True, kw_only=True):
    """Response to GET registration. All but status, namespace and message are additions.

    `approved` says whether the device may register: of one that is `unknown` or `unregistered`.
    """

    status: str = ""  # a value of `Status`
    namespace: str = ""
    message: str = ""
    uid: str = ""  # of this device; a later one of the same name has another
    public_key_fingerprint: str = ""  # hex SHA-256 of the SubjectPublicKeyInfo that registered
    approved: bool | None = None


class ConfigurationResponse(msgspec.Struct, omit_defaults=True, kw_only=True):
    """Response to GET configuration; the configuration is a `DeviceConfigurationMessage`.

    It is JSON `null` where there is none.
    """

    device_configuration: msgspec.Raw = msgspec.field(default=NULL, name="device-configuration")
    message: str = ""


class Changes(msgspec.Struct, kw_only=True):
    """Response to GET changes; an addition.

    `devices` are `namespace/id` of what changed after the version that was asked for. With
    `complete` false the store does not know that version any more: everything may have changed.
    """

    version: int
    devices: list[str] = msgspec.field(default_factory=list)
    complete: bool = True


class Failure(msgspec.Struct, kw_only=True):
    """Body of an error."""

    message: str = ""
