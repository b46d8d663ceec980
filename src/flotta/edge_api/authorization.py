"""Authorization by the leaf certificate alone.

The rules are in docs/reference/wire-protocol.md#certificate-classes:

* A registration certificate can enrol and register, nothing else.
* A device certificate is valid for its own device id only; when it has expired, it can register
  again, nothing else.
* Both ends of the validity period are checked at every request: a kept connection may outlive its
  certificate.

Revocation depends on the EdgeDevice; the backend checks it.
"""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache

from aiohttp import web

from flotta.edge_api.refusals import Refusal
from flotta.identity.authority import REGISTRATION_NAME
from flotta.identity.peers import Peer, PeerError, is_device_id, read_peer
from flotta.protocol.directives import ENROLMENT, REGISTRATION

_read_peer = lru_cache(maxsize=8192)(read_peer)


def peer_of(request: web.Request) -> Peer:
    """Return the verified owner of the request's connection.

    Raises Refusal 401 when its certificate is neither a registration nor a device certificate.
    """
    if request.transport is None:
        raise Refusal(401, "the device closed the connection before the response")
    tls = request.transport.get_extra_info("ssl_object")
    der = tls.getpeercert(True) if tls else None
    if not der:
        raise Refusal(401, "the request came without a client certificate")
    try:
        return _read_peer(der)
    except PeerError as error:
        raise Refusal(401, str(error)) from error


def checked_device_id(text: str) -> str:
    """Return the device id of a path.

    It becomes the name of a Kubernetes object (RFC 1123 subdomain) and a common name, hence
    docs/reference/wire-protocol.md#limits.
    """
    if text == REGISTRATION_NAME or not is_device_id(text):
        raise Refusal(
            400,
            "the device id is not a lower-case DNS name of at most 64 characters, or is reserved",
        )
    return text


def require_own_device(peer: Peer, device_id: str, now: datetime) -> None:
    """Allow a valid device certificate for its own id only."""
    if peer.kind != "device":
        raise Refusal(401, "a registration certificate can only enrol and register")
    _require_valid(peer, now)
    _require_own_id(peer, device_id)


def require_data(peer: Peer, device_id: str, directive: str, now: datetime) -> None:
    """Allow a POST of this directive on the data channel.

    The statuses are in docs/reference/wire-protocol.md#post-dataout.
    """
    if peer.kind == "registration":
        _require_valid(peer, now)
        if directive not in (ENROLMENT, REGISTRATION):
            raise Refusal(403, "a registration certificate can only enrol and register")
        return
    if directive == REGISTRATION:
        _require_begun(peer, now)
    else:
        _require_valid(peer, now)
    _require_own_id(peer, device_id)


def _require_valid(peer: Peer, now: datetime) -> None:
    _require_begun(peer, now)
    if not peer.valid_at(now):
        raise Refusal(401, f"the client certificate expired at {peer.not_after.isoformat()}")


def _require_begun(peer: Peer, now: datetime) -> None:
    if now < peer.not_before:
        raise Refusal(
            401, f"the client certificate is not valid before {peer.not_before.isoformat()}"
        )


def _require_own_id(peer: Peer, device_id: str) -> None:
    if peer.device_id != device_id:
        raise Refusal(403, "the certificate belongs to another device")
