"""Whether a device certificate belongs to the EdgeDevice of its name.

The rules are in docs/reference/wire-protocol.md#device-id-and-namespace.
"""

from __future__ import annotations

from flotta.edge_api.backends.backend import Membership
from flotta.fleet.membership import accepts
from flotta.identity.holder import Peer
from flotta.resources.objects.devices import EdgeDevice
from flotta.resources.views import is_being_deleted


def judge_membership(peer: Peer, device: EdgeDevice | None) -> Membership:
    """Return the state of a certificate's holder, given the EdgeDevice of its name.

    Never DECOMMISSIONED, which only a tombstone says.
    """
    if device is None:
        return Membership.ABSENT
    if not accepts(device, peer):
        return Membership.REVOKED
    return Membership.LEAVING if is_being_deleted(device) else Membership.ACTIVE
