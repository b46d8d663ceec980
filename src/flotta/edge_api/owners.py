"""Whose connection it is: a device, a registration certificate, or another certificate.

The caps are in docs/reference/control-plane.md#connections.
"""

from __future__ import annotations

import hashlib

from flotta.edge_api.authorization import read_peer_cached
from flotta.identity.holder import Peer
from flotta.identity.peers import PeerError
from flotta.serving.http_server import anonymous
from flotta.serving.limits import Owner

# A gateway keeps three: two requests that are held, and what it sends. The rest is for those that
# a change of its network left behind.
OF_A_DEVICE = 8
# Every device that joins uses the same certificate, for a few requests.
OF_A_REGISTRATION = 1024
OF_ANOTHER = 2  # certificates that no request is served with


def identify(der: bytes | None) -> Owner:
    """Return the owner of a connection.

    A device is known by what its certificates have in common: it can have new ones issued.
    """
    if der is None:
        return anonymous()
    try:
        peer = read_peer_cached(der)
    except PeerError:
        digest = hashlib.sha256(der).hexdigest()
        return Owner(digest, f"certificate {digest[:16]}", OF_ANOTHER)
    if peer.kind == "registration":
        key = peer.public_key_fingerprint
        return Owner(key, f"registration certificate {peer.fingerprint[:16]}", OF_A_REGISTRATION)
    return Owner(_device_key(peer), f"{peer.namespace}/{peer.device_id}", OF_A_DEVICE)


def device_prefix(namespace: str, device_id: str) -> str:
    """Return what the keys of all owners begin with that are, or were, the device of this name."""
    return f"{namespace}/{device_id}/"


def _device_key(peer: Peer) -> str:
    """Return the same key for all certificates of an EdgeDevice, and no former one of its name."""
    holder = peer.uid or peer.public_key_fingerprint
    return device_prefix(peer.namespace, peer.device_id) + holder
