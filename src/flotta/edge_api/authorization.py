"""Authorization by the leaf certificate alone.

The rules are in docs/reference/wire-protocol.md#certificate-classes:

* A registration certificate can enrol and register, nothing else.
* A device certificate is valid for its own device id only; when it has expired, it can register
  again, or be told that the device was decommissioned, nothing else.
* Both ends of the validity period are checked at every request: a kept connection may outlive its
  certificate.

Revocation depends on the EdgeDevice; the backend checks it.
"""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache

from aiohttp import web

from flotta.edge_api.messages import ClientGone
from flotta.edge_api.refusals import Refusal
from flotta.identity.holder import Peer
from flotta.identity.peers import PeerError, is_device_id, read_peer
from flotta.identity.subjects import RESERVED_NAMES
from flotta.protocol.directives import ENROLMENT, REGISTRATION
from flotta.protocol.reasons.refusals import (
    CERTIFICATE_EXPIRED,
    CERTIFICATE_NOT_ACCEPTED,
    CERTIFICATE_NOT_YET_VALID,
    INVALID_DEVICE_ID,
    OTHER_DEVICE,
    REGISTRATION_ONLY,
)

read_peer_cached = lru_cache(maxsize=8192)(read_peer)


def peer_of(request: web.Request) -> Peer:
    """Return the verified owner of the request's connection.

    Raises Refusal 401 when its certificate is neither a registration nor a device certificate, and
    ClientGone when the connection is closed: then nobody waits for a response.
    """
    try:
        return read_peer_cached(certificate_of(request))
    except PeerError as error:
        raise Refusal(401, str(error), reason=CERTIFICATE_NOT_ACCEPTED) from error


def certificate_of(request: web.Request) -> bytes:
    """Return the DER client certificate of the request's connection, which TLS has verified.

    Raises Refusal 401 when there is none, and ClientGone when the connection is closed.
    """
    if request.transport is None:
        raise ClientGone
    tls = request.transport.get_extra_info("ssl_object")
    der: bytes | None = tls.getpeercert(True) if tls else None
    if not der:
        raise Refusal(
            401, "the request came without a client certificate", reason=CERTIFICATE_NOT_ACCEPTED
        )
    return der


def checked_device_id(text: str) -> str:
    """Return the device id of a path.

    It becomes the name of a Kubernetes object (RFC 1123 subdomain) and a common name, hence
    docs/reference/wire-protocol.md#limits.
    """
    if text in RESERVED_NAMES or not is_device_id(text):
        raise Refusal(
            400,
            "the device id is not a lower-case DNS name of at most 64 characters, or is reserved",
            reason=INVALID_DEVICE_ID,
        )
    return text


def require_own_device(peer: Peer, device_id: str, now: datetime) -> None:
    """Allow a valid device certificate for its own id only."""
    if peer.kind != "device":
        raise _registration_only(401)
    _require_valid(peer, now)
    _require_own_id(peer, device_id)


def require_former_device(peer: Peer, device_id: str, now: datetime) -> None:
    """Allow a device certificate for its own id that may have expired.

    It may be told that the device was decommissioned, and acknowledge it.
    """
    if peer.kind == "device" and peer.not_before <= now and not peer.valid_at(now):
        _require_own_id(peer, device_id)
    else:
        require_own_device(peer, device_id, now)


def require_sender(peer: Peer, device_id: str, now: datetime) -> None:
    """Allow a POST on the data channel of this device, before its body and directive are known.

    A device certificate that has expired is allowed: it may register again.
    """
    if peer.kind == "registration":
        _require_valid(peer, now)
        return
    _require_begun(peer, now)
    _require_own_id(peer, device_id)


def require_data(peer: Peer, directive: str, now: datetime) -> None:
    """Allow a POST of this directive on the data channel, by a peer that may send there.

    The statuses are in docs/reference/wire-protocol.md#post-dataout.
    """
    if peer.kind == "registration":
        if directive not in (ENROLMENT, REGISTRATION):
            raise _registration_only(403)
    elif directive != REGISTRATION:
        _require_valid(peer, now)


def _require_valid(peer: Peer, now: datetime) -> None:
    _require_begun(peer, now)
    if not peer.valid_at(now):
        raise Refusal(
            401,
            f"the client certificate expired at {peer.not_after.isoformat()}",
            reason=CERTIFICATE_EXPIRED,
        )


def _require_begun(peer: Peer, now: datetime) -> None:
    if now < peer.not_before:
        raise Refusal(
            401,
            f"the client certificate is not valid before {peer.not_before.isoformat()}",
            reason=CERTIFICATE_NOT_YET_VALID,
        )


def _require_own_id(peer: Peer, device_id: str) -> None:
    if peer.device_id != device_id:
        raise Refusal(403, "the certificate belongs to another device", reason=OTHER_DEVICE)


def _registration_only(status: int) -> Refusal:
    return Refusal(
        status,
        "a registration certificate can only enrol and register",
        reason=REGISTRATION_ONLY,
    )
