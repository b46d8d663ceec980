"""Which device certificates an EdgeDevice accepts.

The rules are in docs/reference/wire-protocol.md#device-id-and-namespace.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

from flotta.fleet.adoption import former_identity, identity_of
from flotta.fleet.joining import KEY_ANNOTATION, KEY_REPLACED_ANNOTATION
from flotta.identity.authority import CLOCK_SKEW
from flotta.identity.peers import Peer
from flotta.resources.objects.devices import EdgeDevice
from flotta.resources.views import annotations_of, uid_of
from flotta.rfc3339 import parse_time

# Certificates of v0.2 name no EdgeDevice UID, and begin a day before they were signed.
BACKDATED = timedelta(days=1, minutes=5)


def accepts(device: EdgeDevice, peer: Peer) -> bool:
    """Tell whether a certificate for the name of an EdgeDevice was issued for this very object."""
    if former_identity(device) == identity_of(peer):
        return True
    if peer.uid is not None:
        return uid_of(device) == peer.uid
    created = parse_time(device["metadata"]["creationTimestamp"])
    return created is not None and created <= peer.not_before + BACKDATED


def is_of_former_key(device: EdgeDevice, peer: Peer) -> bool:
    """Tell whether a certificate was issued before another key replaced the one of its device.

    Renewals after that get other keys, so the time of issue decides, not the key alone. What cannot
    be read as a time says nothing.
    """
    annotations = annotations_of(device)
    text = annotations.get(KEY_REPLACED_ANNOTATION)
    if not text or annotations.get(KEY_ANNOTATION) == peer.public_key_fingerprint:
        return False
    with suppress(ValueError):
        replaced = parse_time(text)
        return replaced is not None and peer.not_before + CLOCK_SKEW < replaced
    return False
