# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/fleet/tombstones.py: change that.
"""Tombstones: the control plane's record of each device that it decommissioned.

A device wipes itself only when a tombstone for the EdgeDevice of its certificate grants it, so an
object that is merely missing (an old backup, another UID, a deleted namespace) wipes nothing.
A tombstone is a ConfigMap in the control plane's own namespace and is kept for good, because a
certificate may come back at any time (docs/reference/control-plane.md#tombstones).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal, Self

from ..fleet.adoption import FormerIdentity, former_identity, identity_of
from ..fleet.former_keys import KeyReplacement
from ..fleet.joining import KEY_ANNOTATION
from ..identity.holder import Peer
from ..resources.conditions import WIPE_ALLOWED, condition_status
from ..resources.kinds import GROUP
from ..resources.objects.core import ConfigMap
from ..resources.objects.devices import EdgeDevice
from ..resources.views import (
    annotations_of,
    conditions_of,
    is_being_deleted,
    labels_of,
    name_of,
    namespace_of,
    status_of,
    uid_of,
)
from ..rfc3339 import format_time, parse_time

Wipe = Literal["granted", "held"]
RECORD_LABEL = f"{GROUP}/record"
TOMBSTONE = "decommissioned-device"  # value of RECORD_LABEL
TOMBSTONE_SELECTOR = f"{RECORD_LABEL}={TOMBSTONE}"
# Written by whoever deletes a device with a name and a purpose: the administrator's word.
CONFIRMED_ANNOTATION = f"{GROUP}/decommissioned-by"
ACKNOWLEDGED_ANNOTATION = f"{GROUP}/wipe-acknowledged"  # of a tombstone: when the device did
CONFIRMATION_LIFETIME = timedelta(hours=1)  # within which the deletion has to follow
UNKNOWN_AUTHOR = "unknown"
# Certificates of v0.2 name no UID and begin a day before they were signed; clocks may differ.
BACKDATED, CLOCK_SKEW = timedelta(days=1), timedelta(minutes=5)


@dataclass(frozen=True)
class Tombstone:
    """A decommissioned device, and whether it may be told to wipe itself; times are RFC 3339."""

    name: str
    namespace: str
    uid: str
    created: str  # the EdgeDevice
    key_fingerprint: str  # of the registered key, "" when none is known
    by: str
    time: str
    wipe: Wipe
    former: FormerIdentity | None = None  # of an adopted device
    authority: str = ""  # hex key identifier of the CA of its certificate, "" if it is not known
    replacement: KeyReplacement | None = None  # of the key, if another one took its place
    acknowledged: bool = False  # the device said that it has wiped itself

    @classmethod
    def of(cls, device: EdgeDevice, wipe: Wipe, now: datetime) -> Self:
        """Return the tombstone of an EdgeDevice that is being deleted or was deleted."""
        return cls(
            name=name_of(device),
            namespace=namespace_of(device),
            uid=uid_of(device),
            created=device["metadata"].get("creationTimestamp", ""),
            key_fingerprint=annotations_of(device).get(KEY_ANNOTATION, ""),
            by=confirmed_by(device) or UNKNOWN_AUTHOR,
            time=format_time(now),
            wipe=wipe,
            former=former_identity(device),
            authority=status_of(device).get("certificate", {}).get("authority", ""),
            replacement=KeyReplacement.of(device),
        )

    @property
    def granted(self) -> bool:
        """Whether the device may be told to wipe itself."""
        return self.wipe == "granted"

    @property
    def confirmed(self) -> bool:
        """Whether somebody confirmed this decommission; such ones are not braked."""
        return self.by != UNKNOWN_AUTHOR

    @property
    def moment(self) -> datetime | None:
        """`time`, None when it cannot be read."""
        return _time_or_none(self.time)

    def grant(self, by: str, now: datetime) -> Self:
        """Return the tombstone after an administrator's word."""
        return replace(self, wipe="granted", by=by, time=format_time(now))

    def holds_for(self, peer: Peer) -> bool:
        """Tell whether this is the device of a certificate.

        One whose place another key took is not. A certificate of v0.2 has no UID: then the device
        of its name must have existed when it was signed, and a registered key must be the
        certificate's.
        """
        if (self.namespace, self.name) != (peer.namespace, peer.device_id):
            return False
        if self.former == identity_of(peer):
            return True
        if self.replacement is not None and self.replacement.excludes(peer):
            return False
        if peer.uid is not None:
            return self.uid == peer.uid
        created, ended = _time_or_none(self.created), self.moment
        if created is None or ended is None:
            return False
        signed = peer.not_before + BACKDATED
        existed = created - CLOCK_SKEW <= signed <= ended + CLOCK_SKEW
        return existed and self.key_fingerprint in ("", peer.public_key_fingerprint)


def make_confirmation(by: str, now: datetime) -> str:
    """Return the value of CONFIRMED_ANNOTATION for somebody's word at this time."""
    return f"{format_time(now)} {by}"


def confirmed_by(device: EdgeDevice) -> str:
    """Return who confirmed that a device which is being deleted is meant, "" for nobody.

    A word from long before the deletion was for another one: it failed, or the object comes from a
    backup (docs/reference/control-plane.md#the-brake-on-wipes).
    """
    time, _, by = annotations_of(device).get(CONFIRMED_ANNOTATION, "").partition(" ")
    given = _time_or_none(time)
    deleted = _time_or_none(device["metadata"].get("deletionTimestamp") or "")
    if given is None or deleted is None or given < deleted - CONFIRMATION_LIFETIME:
        return ""
    return by


def is_held(device: EdgeDevice) -> bool:
    """Tell whether the wipe of a device that is being deleted waits for an administrator's word."""
    held = condition_status(conditions_of(device), WIPE_ALLOWED) == "False"
    return held and is_being_deleted(device) and not confirmed_by(device)


def tombstone_name(uid: str) -> str:
    """Return the name of the ConfigMap for an EdgeDevice with this UID."""
    return f"decommissioned-{uid}"


def make_tombstone(tombstone: Tombstone, namespace: str) -> ConfigMap:
    """Return the ConfigMap of a tombstone; one that grants the wipe can never be changed again."""
    former = tombstone.former or FormerIdentity("", "")
    config_map: ConfigMap = {
        "metadata": {
            "name": tombstone_name(tombstone.uid),
            "namespace": namespace,
            "labels": {RECORD_LABEL: TOMBSTONE},
        },
        "data": {
            "name": tombstone.name,
            "namespace": tombstone.namespace,
            "uid": tombstone.uid,
            "created": tombstone.created,
            "keyFingerprint": tombstone.key_fingerprint,
            "by": tombstone.by,
            "time": tombstone.time,
            "wipe": tombstone.wipe,
            "formerUid": former.uid,
            "formerKeyFingerprint": former.key_fingerprint,
            "authority": tombstone.authority,
        },
    }
    if replacement := tombstone.replacement:
        config_map["data"] |= {
            "keyReplaced": replacement.time,
            "keyRenewedFrom": replacement.renewed_from,
        }
    if tombstone.granted:
        config_map["immutable"] = True
    return config_map


def read_tombstone(config_map: ConfigMap | None) -> Tombstone | None:
    """Return the tombstone in a ConfigMap, None for any other or damaged one: it wipes nothing."""
    if config_map is None or labels_of(config_map).get(RECORD_LABEL) != TOMBSTONE:
        return None
    data = config_map.get("data") or {}
    uid, wipe = data.get("uid", ""), data.get("wipe")
    if not uid or name_of(config_map) != tombstone_name(uid):
        return None
    former_key, replaced = data.get("formerKeyFingerprint", ""), data.get("keyReplaced")
    key, renewed_from = data.get("keyFingerprint", ""), data.get("keyRenewedFrom", "")
    return Tombstone(
        name=data.get("name", ""),
        namespace=data.get("namespace", ""),
        uid=uid,
        created=data.get("created", ""),
        key_fingerprint=key,
        by=data.get("by") or UNKNOWN_AUTHOR,
        time=data.get("time", ""),
        wipe="granted" if wipe == "granted" else "held",
        former=FormerIdentity(data.get("formerUid", ""), former_key) if former_key else None,
        authority=data.get("authority", ""),
        replacement=KeyReplacement(key, renewed_from, replaced) if replaced else None,
        acknowledged=ACKNOWLEDGED_ANNOTATION in annotations_of(config_map),
    )


def _time_or_none(text: str) -> datetime | None:
    try:
        return parse_time(text)
    except ValueError:
        return None
