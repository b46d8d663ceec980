"""Whether a device certificate belongs to the EdgeDevice of its name.

The rules are in docs/reference/wire-protocol.md#device-id-and-namespace.
"""

from __future__ import annotations

from datetime import timedelta

from flotta.edge_api.backends.backend import Membership
from flotta.fleet.adoption import former_identity, identity_of
from flotta.identity.peers import Peer
from flotta.resources.objects.devices import EdgeDevice
from flotta.resources.views import is_being_deleted, uid_of
from flotta.rfc3339 import parse_time

# Certificates of v0.2 name no EdgeDevice UID, and begin a day before they were signed.
BACKDATED = timedelta(days=1, minutes=5)


def judge_membership(peer: Peer, device: EdgeDevice | None) -> Membership:
    """Return the state of a certificate's holder, given the EdgeDevice of its name.

    Never DECOMMISSIONED, which only a tombstone says.
    """
    if device is None:
        return Membership.ABSENT
    if not _is_genuine(peer, device):
        return Membership.REVOKED
    return Membership.LEAVING if is_being_deleted(device) else Membership.ACTIVE


def _is_genuine(peer: Peer, device: EdgeDevice) -> bool:
    if former_identity(device) == identity_of(peer):
        return True
    if peer.uid is not None:
        return uid_of(device) == peer.uid
    created = parse_time(device["metadata"]["creationTimestamp"])
    return created is not None and created <= peer.not_before + BACKDATED
