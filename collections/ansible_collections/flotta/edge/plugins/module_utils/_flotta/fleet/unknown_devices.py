# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/fleet/unknown_devices.py: change that.
"""Records of devices that have a certificate of this fleet, but no EdgeDevice that accepts it.

The Edge API writes one ConfigMap for each in the control plane's own namespace, so that people see
them and can take them back (docs/reference/control-plane.md#unknown-devices).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from ..dns1123 import is_subdomain
from ..fleet.adoption import FormerIdentity, identity_of
from ..fleet.tombstones import RECORD_LABEL
from ..identity.holder import Peer
from ..resources.objects.core import ConfigMap
from ..resources.views import labels_of, name_of
from ..rfc3339 import format_time

UNKNOWN = "unknown-device"  # value of RECORD_LABEL
KEY_LENGTH = 16  # characters of a key's fingerprint in the name of a record
UNKNOWN_SELECTOR = f"{RECORD_LABEL}={UNKNOWN}"


@dataclass(frozen=True)
class UnknownDevice:
    """A device as its certificate describes it; times are RFC 3339."""

    name: str
    namespace: str
    identity: FormerIdentity
    first_seen: str
    last_seen: str
    authority: str = ""  # hex key identifier of the CA of its certificate, "" if it is not known

    @classmethod
    def of(cls, peer: Peer, now: datetime) -> Self:
        """Return the record of the holder of a device certificate, first seen now."""
        time = format_time(now)
        identity = identity_of(peer)
        return cls(peer.device_id, peer.namespace, identity, time, time, peer.authority)

    @property
    def record_name(self) -> str:
        """The name of the ConfigMap; it may be unusable, as certificates say what they like.

        It tells the keys of one UID apart: an older certificate may be on a copied disk.
        """
        uid, key = self.identity.uid, self.identity.key_fingerprint
        return (f"unknown-{uid}-{key[:KEY_LENGTH]}" if uid else f"unknown-{key}").lower()

    @property
    def is_recordable(self) -> bool:
        """Whether the record can have that name."""
        return is_subdomain(self.record_name)


def make_record(device: UnknownDevice, namespace: str) -> ConfigMap:
    """Return the ConfigMap that records the device."""
    return {
        "metadata": {
            "name": device.record_name,
            "namespace": namespace,
            "labels": {RECORD_LABEL: UNKNOWN},
        },
        "data": {
            "name": device.name,
            "namespace": device.namespace,
            "uid": device.identity.uid,
            "keyFingerprint": device.identity.key_fingerprint,
            "firstSeen": device.first_seen,
            "lastSeen": device.last_seen,
            "authority": device.authority,
        },
    }


def read_record(config_map: ConfigMap) -> UnknownDevice | None:
    """Return the device that a ConfigMap records, None for any other ConfigMap."""
    data = config_map.get("data") or {}
    if labels_of(config_map).get(RECORD_LABEL) != UNKNOWN or not data.get("keyFingerprint"):
        return None
    device = UnknownDevice(
        name=data.get("name", ""),
        namespace=data.get("namespace", ""),
        identity=FormerIdentity(data.get("uid", ""), data["keyFingerprint"]),
        first_seen=data.get("firstSeen", ""),
        last_seen=data.get("lastSeen", ""),
        authority=data.get("authority", ""),
    )
    return device if device.record_name == name_of(config_map) else None
