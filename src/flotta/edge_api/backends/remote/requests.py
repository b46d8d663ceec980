"""The calls of the Edge Configuration API as requests: paths, headers and bodies."""

from __future__ import annotations

import re
import uuid

from flotta.edge_api.backends.remote.client import DONE, Call, DeviceName
from flotta.identity.holder import Peer
from flotta.protocol import configuration_api as api
from flotta.protocol.envelope import encode
from flotta.protocol.models import EnrolmentInfo, Heartbeat, RegistrationInfo

FOUND = frozenset({200, 404})  # a store of today answers 404 about a device that it does not know
SUCCESS = frozenset(range(200, 300))
NOT_OFFERED = frozenset({404, 405, 501})  # to an addition that the store does not have
OTHER_KEY_STATUS = 409  # addition: another key enrolled or registered
TOO_MANY = 429  # addition: more devices ask to join than the store keeps
MAX_CONFIGURATION = 16 * 1024 * 1024  # bytes
MESSAGE_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")


def get_registration(name: DeviceName, peer: Peer) -> Call:
    """Ask what the store says about a device."""
    return Call("GET", name.path(api.REGISTRATION), FOUND, _headers(peer))


def get_configuration(name: DeviceName, peer: Peer, etag: str) -> Call:
    """Ask for the configuration, unless it is the one with this entity tag."""
    headers = _headers(peer)
    statuses = FOUND
    if etag:
        headers["If-None-Match"] = etag
        statuses |= {304}
    path = name.path(api.CONFIGURATION)
    return Call("GET", path, statuses, headers, limit=MAX_CONFIGURATION)


def post_enrolment(name: DeviceName, peer: Peer, batch: str, info: EnrolmentInfo) -> Call:
    """Say that a device asks to join."""
    headers = _headers(peer, batch, info.public_key_fingerprint)
    statuses = SUCCESS | {OTHER_KEY_STATUS, TOO_MANY}
    return Call("POST", name.path(api.ENROLMENT), statuses, headers, encode(info))


def put_registration(
    name: DeviceName, peer: Peer, batch: str, info: RegistrationInfo, key_fingerprint: str
) -> Call:
    """Say that a device registers with this key."""
    headers = _headers(peer, batch, key_fingerprint)
    statuses = DONE | {404, OTHER_KEY_STATUS}
    return Call("PUT", name.path(api.REGISTRATION), statuses, headers, encode(info))


def put_heartbeat(name: DeviceName, peer: Peer, message_id: str, heartbeat: Heartbeat) -> Call:
    """Pass on a heartbeat; the same message has the same id each time."""
    headers = {**_headers(peer), api.MESSAGE_ID_HEADER: _plain_id(message_id)}
    return Call("PUT", name.path(api.HEARTBEAT), DONE | {404}, headers, encode(heartbeat))


def put_disconnect(name: DeviceName, peer: Peer) -> Call:
    """Say that a device carried out the command to go."""
    return Call("PUT", name.path(api.DISCONNECT), SUCCESS | NOT_OFFERED, _headers(peer), b"")


def get_changes(after: int, seconds: int, limit: int) -> Call:
    """Ask for what changed after a version, and to hold the request until something has."""
    path = f"/{api.CHANGES}?after={after}"
    headers = {"Prefer": f"wait={seconds}"}
    return Call("GET", path, frozenset({200}) | NOT_OFFERED, headers, limit=limit)


def _headers(peer: Peer, batch: str = "", key_fingerprint: str = "") -> dict[str, str]:
    uid = "" if peer.uid == DeviceName(peer.namespace, peer.device_id).uid else peer.uid
    given = {
        api.PEER_HEADER: peer.kind,
        api.UID_HEADER: uid or "",
        api.BATCH_HEADER: batch,
        api.FINGERPRINT_HEADER: key_fingerprint,
    }
    return {name: value for name, value in given.items() if value}


def _plain_id(message_id: str) -> str:
    """Return an id that fits a header: devices choose any text."""
    if MESSAGE_ID.fullmatch(message_id):
        return message_id
    return str(uuid.uuid5(uuid.NAMESPACE_OID, message_id) if message_id else uuid.uuid4())
