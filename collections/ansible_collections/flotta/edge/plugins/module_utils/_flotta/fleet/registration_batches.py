# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/fleet/registration_batches.py: change that.
"""Registration batches: what a registration certificate admits, and the names around it.

A batch is a Secret of the control plane with the label `reg-client-ca`; its specification is JSON
in the Secret (docs/reference/control-plane.md#registration-batches). Nothing here does I/O or
needs more than the standard library: the collection uses it too.
"""

from __future__ import annotations

import enum
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network
from typing import Literal, TypedDict

from ..dns1123 import is_label, is_subdomain
from ..own_names import EDGE_API, GROUP

# Keys of the Secret's data. The first is written by whoever issues the batch, the others by the
# Edge API.
SPECIFICATION_KEY = "batch"
CERTIFICATE_KEY = "client.crt"
PRIVATE_KEY_KEY = "client.key"
AUTHORITY_KEY = "ca.crt"
FORMER_KEY = "formerCertificates"  # hex SHA-256 of earlier certificates, separated by commas

# Of the Secret: why there is no certificate, "<reason code>: sentence".
ERROR_ANNOTATION = f"{GROUP}/batch-error"
# The name of a batch: an annotation of requests, a label of the ConfigMaps that are its uses.
BATCH_ANNOTATION = f"{GROUP}/registration-batch"
BATCH_LABEL = BATCH_ANNOTATION
# Of a request: the address that the device enrolled from, where that is known.
SOURCE_ADDRESS_ANNOTATION = f"{GROUP}/source-address"
# Of a request: JSON of an `Approval`; or a sentence, why the batch's rule does not approve it.
APPROVAL_ANNOTATION = f"{GROUP}/approval"
APPROVAL_WITHHELD_ANNOTATION = f"{GROUP}/approval-withheld"
# Of a request: who approved or declined it, "<user> (<program>)".
DECIDED_BY_ANNOTATION = f"{GROUP}/decided-by"

MAX_BATCH_NAME = 52  # characters; a use has up to seven more, and 63 make a label's value
MAX_SPECIFICATION = 256 * 1024  # bytes of JSON
MAX_USES = 100_000
MAX_IDS = 10_000  # device ids and patterns together, and serial numbers
MAX_PATTERNS = 100  # of device ids; each is compared with each device that enrols
MAX_NAMESPACES = 64
MAX_NETWORKS = 100
MAX_LABELS = 64
MAX_FORMER = 8  # former certificates that still admit
MAX_DEVICE_ID = 64  # characters; it is the common name of a certificate
RESERVED_IDS = ("register", EDGE_API)  # common names of other certificates
DEFAULT_NAMESPACE = "default"
ROLE_BATCH = re.compile(r"device-[0-9a-f]{16}")
MIN_VALIDITY = 60  # seconds; who asks for less made a mistake
REMOVAL_DAYS = 30  # days from expiry or revocation until the Edge API removes the batch
# Labels that the control plane gives to EdgeDevices itself.
RESERVED_LABELS = ("flotta/member-of", "edgedeviceSignedRequest")
RESERVED_LABEL_PREFIX = "workload/"
HARDWARE_LABEL_PREFIX = "device."  # of labels that follow from the hardware that a device reports
# The fields of `status.hardware` that are single texts.
HARDWARE_PATHS = (
    "hostname",
    "boot.currentBootMode",
    "boot.pxeInterface",
    "cpu.architecture",
    "cpu.frequency",
    "cpu.modelName",
    "systemVendor.manufacturer",
    "systemVendor.productName",
    "systemVendor.serialNumber",
)


class State(enum.Enum):
    """Whether a batch admits devices."""

    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"


class ApprovalFields(TypedDict, total=False):
    """`approval` of a specification. All fields but `mode` narrow an automatic approval."""

    mode: Literal["Manual", "Automatic"]
    serialNumbers: list[str]
    hardware: dict[str, str]  # values or patterns by path, see HARDWARE_PATHS
    sourceNetworks: list[str]  # CIDR


class RevokedFields(TypedDict, total=False):
    """`revoked` of a specification: when, by whom and why."""

    at: str  # RFC 3339
    by: str
    reason: str


class SpecificationFields(TypedDict, total=False):
    """The JSON of a specification; every field is optional."""

    expires: str  # RFC 3339
    uses: int
    namespaces: list[str]
    deviceIDs: list[str]  # ids, or patterns with * and ?
    targetSet: str
    labels: dict[str, str]
    approval: ApprovalFields
    deviceLabels: list[str]
    allowWithoutFingerprint: bool
    allowKeyReplacement: bool
    revoked: RevokedFields


class UseFields(TypedDict, total=False):
    """The data of the ConfigMap that is a use."""

    deviceID: str
    namespace: str
    keyFingerprint: str
    at: str  # RFC 3339


@dataclass(frozen=True)
class DeviceIDs:
    """The ids that a batch admits, listed and by pattern."""

    listed: frozenset[str]
    patterns: tuple[str, ...]

    def find(self, device_id: str) -> str | None:
        """Return the id or pattern that admits a device, None if there is none."""
        if device_id in self.listed:
            return device_id
        return next((item for item in self.patterns if matches(item, device_id)), None)


@dataclass(frozen=True)
class ApprovalRule:
    """When devices of a batch are approved without a person; empty fields do not narrow."""

    automatic: bool = False
    serial_numbers: frozenset[str] = frozenset()
    hardware: Mapping[str, str] = field(default_factory=dict)
    source_networks: tuple[IPv4Network | IPv6Network, ...] = ()


@dataclass(frozen=True)
class Revocation:
    """When a batch was revoked, by whom and why; the texts may be empty."""

    at: datetime
    by: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Specification:
    """A valid specification. The default is that of an unlimited batch with manual approval."""

    expires: datetime | None = None  # None: a year after the certificate is issued
    uses: int | None = None  # None: without a limit
    namespaces: tuple[str, ...] = (DEFAULT_NAMESPACE,)
    device_ids: DeviceIDs | None = None  # None: every id
    target_set: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    approval: ApprovalRule = ApprovalRule()
    device_labels: tuple[str, ...] = ()  # keys of labels that devices may bring along
    allow_without_fingerprint: bool = False
    allow_key_replacement: bool = False
    revoked: Revocation | None = None

    def state_at(self, now: datetime, not_after: datetime | None = None) -> State:
        """Return the state; `not_after` is the end of the certificate, where there is one."""
        if self.revoked is not None:
            return State.REVOKED
        end = self.expires or not_after
        return State.EXPIRED if end is not None and end <= now else State.ACTIVE

    def ended_at(self, now: datetime, not_after: datetime | None = None) -> datetime | None:
        """Return when the batch was revoked or expired, None while it is active."""
        if self.revoked is not None:
            return self.revoked.at
        expired = self.state_at(now, not_after) is State.EXPIRED
        return (self.expires or not_after) if expired else None


def is_batch_name(text: str) -> bool:
    """Tell whether a text can be the name of a batch."""
    return len(text) <= MAX_BATCH_NAME and is_label(text)


def is_of_role(name: str) -> bool:
    """Tell whether a batch has the name of one that the role flotta.edge.device asks for."""
    return ROLE_BATCH.fullmatch(name) is not None


def is_device_id(text: str) -> bool:
    """Tell whether a device may have this id (docs/reference/wire-protocol.md#limits)."""
    return len(text) <= MAX_DEVICE_ID and text not in RESERVED_IDS and is_subdomain(text)


def matches(pattern: str, text: str) -> bool:
    """Tell whether a pattern matches the whole text: `*` is any text, `?` one character.

    The time is at most the product of both lengths, whatever the pattern is.
    """
    position = star = 0
    resume = -1  # in the pattern, after the last `*`
    index = 0
    while position < len(text):
        if index < len(pattern) and pattern[index] == "*":
            index += 1
            resume, star = index, position
        elif index < len(pattern) and pattern[index] in ("?", text[position]):
            index += 1
            position += 1
        elif resume >= 0:
            star += 1
            index, position = resume, star
        else:
            return False
    return not pattern[index:].strip("*")


def is_pattern(text: str) -> bool:
    """Tell whether a text is a pattern and not a single id."""
    return "*" in text or "?" in text


def use_name(batch: str, slot: int) -> str:
    """Return the name of the ConfigMap that is use number `slot` (from 1) of a batch."""
    return f"{batch}-{slot}"


def probe_slots(device_id: str, uses: int) -> Iterator[int]:
    """Yield every slot (1 to `uses`) once, in the order in which a device tries them.

    Devices begin at different ones, so that few of them meet.
    """
    digest = hashlib.sha256(device_id.encode()).digest()
    start = int.from_bytes(digest[:8]) % uses
    return ((start + step) % uses + 1 for step in range(uses))


def read_former(text: str) -> tuple[str, ...]:
    """Return the fingerprints in `formerCertificates`, at most MAX_FORMER."""
    return tuple(item for item in text.strip().split(",") if item)[:MAX_FORMER]


def write_former(fingerprints: Iterable[str]) -> str:
    """Return the text of `formerCertificates`; the first MAX_FORMER are kept, newest first."""
    return ",".join(list(dict.fromkeys(fingerprints))[:MAX_FORMER])
