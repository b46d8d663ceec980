"""The four device endpoints: control and data, in and out.

What each responds is in docs/reference/wire-protocol.md#status-codes.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from aiohttp import web
from msgspec import Raw

from flotta.edge_api import messages
from flotta.edge_api.authorization import (
    checked_device_id,
    peer_of,
    require_data,
    require_former_device,
    require_own_device,
    require_sender,
)
from flotta.edge_api.backends.backend import Backend, Membership, RecordedRegistration
from flotta.edge_api.certificates import Material
from flotta.edge_api.metrics import EdgeApiMetrics
from flotta.edge_api.rate_limits import RateLimits
from flotta.edge_api.refusals import Refusal
from flotta.identity.errors import IdentityError
from flotta.identity.holder import Peer
from flotta.identity.keys import public_key_fingerprint
from flotta.identity.requests import load_request
from flotta.protocol.directives import (
    ANSIBLE,
    CERTIFICATE,
    DEVICE,
    DISCONNECT,
    ENROLMENT,
    ENROLMENT_APPROVED,
    HARDWARE,
    HEARTBEAT,
    REGISTRATION,
    WANTED_HEADER,
)
from flotta.protocol.envelope import Message, encode, new_command_message, new_data_message
from flotta.protocol.models import (
    EnrolmentInfo,
    Heartbeat,
    RegistrationInfo,
    RegistrationResponse,
)
from flotta.protocol.reasons.refusals import (
    DEVICE_DECOMMISSIONED,
    DEVICE_LEAVING,
    INVALID_CERTIFICATE_REQUEST,
    UNKNOWN_DEVICE,
    UNKNOWN_DIRECTIVE,
)

HELD = "flotta_held"  # request key: the response was held, so its duration is not measured
log = logging.getLogger(__name__)


class Handlers:
    """Turns requests of authorised devices into calls to the backend."""

    def __init__(
        self,
        backend: Backend,
        material: Callable[[], Material],
        certificate_days: int,
        limits: RateLimits,
        metrics: EdgeApiMetrics,
        *,
        knows_addresses: bool = False,
    ) -> None:
        self._backend = backend
        self._material = material
        self._certificate_days = certificate_days
        self._limits = limits
        self._metrics = metrics
        self._knows_addresses = knows_addresses
        self._stopping = asyncio.Event()
        self._directives: dict[str, Callable[[Peer, str, Message], Awaitable[web.Response]]] = {
            REGISTRATION: self._register,
            HEARTBEAT: self._handle_heartbeat,
            ANSIBLE: self._handle_playbooks,
        }

    def stop(self) -> None:
        """Hold no further requests."""
        self._stopping.set()

    async def control_in(self, request: web.Request) -> web.Response:
        """Respond with the command that waits for the device, or with nothing.

        See docs/reference/wire-protocol.md#get-controlin.
        """
        deadline = _Deadline(messages.read_wait_preference(request))
        while True:
            peer = _former_device(request)
            membership = await self._backend.membership(peer)
            if membership is Membership.DECOMMISSIONED:
                break
            _own_device(request)  # its certificate may have expired, also meanwhile
            _require_member(membership)
            if deadline.passed or self._stopping.is_set():
                return messages.empty_response()
            request[HELD] = True
            await self._backend.wait_for_change(peer, deadline.remaining)
        self._metrics.count("unregistration")
        return messages.json_response(encode(new_command_message(DISCONNECT)))

    async def control_out(self, request: web.Request) -> web.Response:
        """Record that the device has disconnected; accept every other event and ignore it.

        See docs/reference/wire-protocol.md#events-and-connection-status.
        """
        peer = _former_device(request)
        was_told = await self._backend.membership(peer) is Membership.DECOMMISSIONED
        if not was_told:
            _own_device(request)
        message = await messages.read_message(request)
        if message.type == "event" and bytes(message.content) == encode(DISCONNECT):
            await self._backend.record_disconnect(peer)
            # Any device can send this event; it says something only of one that was told to go.
            level = logging.INFO if was_told else logging.DEBUG
            log.log(level, "%s/%s has disconnected", peer.namespace, peer.device_id)
        return messages.empty_response()

    async def data_in(self, request: web.Request) -> web.Response:
        """Respond with the configuration.

        A client that has it gets the response when it changes, or 304
        (docs/reference/wire-protocol.md#get-datain).
        """
        peer = _own_device(request)
        known = messages.known_version(request)
        deadline = _Deadline(messages.read_wait_preference(request) if known else 0.0)
        while True:
            _require_member(await self._backend.membership(peer), staying=True)
            configuration = await self._backend.get_configuration(peer)
            if configuration.version != known or deadline.passed or self._stopping.is_set():
                break
            request[HELD] = True
            await self._backend.wait_for_change(peer, deadline.remaining)
            _own_device(request)
        headers = {"ETag": f'"{configuration.version}"', "Cache-Control": "private, no-cache"}
        if configuration.version == known:
            return web.Response(status=304, headers=headers)
        message = new_data_message(DEVICE, Raw(configuration.dated_content))
        return messages.json_response(encode(message), headers)

    async def data_out(self, request: web.Request) -> web.Response:
        """Handle a message of the device; its directive decides which certificates are allowed.

        See docs/reference/wire-protocol.md#post-dataout.
        """
        messages.require_json_accepted(request)
        peer = peer_of(request)
        device_id = checked_device_id(request.match_info["device_id"])
        require_sender(peer, device_id, datetime.now(UTC))
        message = await messages.read_message(request)
        require_data(peer, message.directive, datetime.now(UTC))
        if message.directive == ENROLMENT:
            # Without the PROXY protocol it may be the address of a balancer.
            address = request.remote if self._knows_addresses else None
            return await self._enrol(peer, device_id, message, address)
        handler = self._directives.get(message.directive)
        if handler is None:
            raise Refusal(
                400, f"unknown directive {message.directive[:64]!r}", reason=UNKNOWN_DIRECTIVE
            )
        return await handler(peer, device_id, message)

    async def _enrol(
        self, peer: Peer, device_id: str, message: Message, address: str | None
    ) -> web.Response:
        info = messages.decode_content(message, EnrolmentInfo)
        self._limits.admit_enrolment(peer)
        approved = await self._backend.enrol(peer, device_id, info, address)
        return messages.empty_response(ENROLMENT_APPROVED if approved else 200)

    async def _register(self, peer: Peer, device_id: str, message: Message) -> web.Response:
        info = messages.decode_content(message, RegistrationInfo)
        self._limits.admit_registration(peer)
        try:
            request = load_request(info.certificate_request)
            fingerprint = public_key_fingerprint(request.public_key())
        except IdentityError as error:
            raise Refusal(400, str(error), reason=INVALID_CERTIFICATE_REQUEST) from error
        registration = await self._record_registration(peer, device_id, info, fingerprint)
        material = self._material()
        certificate = material.authority.sign_device(
            request, device_id, registration.namespace, registration.uid, self._certificate_days
        )
        self._metrics.count("successful_registration")
        log.info("%s/%s registered", registration.namespace, device_id)
        return messages.message_response(
            message,
            RegistrationResponse(
                certificate=certificate.decode(),
                ca_bundle=material.bundle,
                ca_cross_certificates=material.cross,
            ),
        )

    async def _record_registration(
        self, peer: Peer, device_id: str, info: RegistrationInfo, fingerprint: str
    ) -> RecordedRegistration:
        try:
            return await self._backend.register(peer, device_id, info, fingerprint)
        except Refusal as refusal:
            if refusal.status != 404:
                self._metrics.count("failed_registration")
            raise
        except Exception:  # counted whatever it is, and raised again
            self._metrics.count("failed_registration")
            raise

    async def _handle_heartbeat(self, peer: Peer, device_id: str, message: Message) -> web.Response:
        heartbeat = messages.decode_content(message, Heartbeat)
        _require_member(await self._backend.membership(peer))
        complete = await self._backend.record_heartbeat(peer, message.message_id, heartbeat)
        response = messages.empty_response()
        if not complete:
            response.headers[WANTED_HEADER] = HARDWARE
        elif self._material().stored.wants_renewal(peer):
            response.headers[WANTED_HEADER] = CERTIFICATE
        return response

    async def _handle_playbooks(self, peer: Peer, device_id: str, message: Message) -> web.Response:
        """Respond that there is nothing to run.

        Agents of v0.2 need all three metadata keys (docs/reference/wire-protocol.md#ansible).
        """
        _require_member(await self._backend.membership(peer))
        metadata: dict[str, object] = {
            "message-id": str(uuid.uuid4()),
            "crc_dispatcher_correlation_id": device_id,
            "return_url": "return_url",
        }
        return messages.message_response(message, "[]", metadata)


class _Deadline:
    """A point in time after which a request is no longer held."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    @property
    def remaining(self) -> float:
        return max(0.0, self._end - time.monotonic())

    @property
    def passed(self) -> bool:
        return self.remaining <= 0


def _require_member(membership: Membership, *, staying: bool = False) -> None:
    """Refuse a device that does not belong to the fleet, or one that leaves it (`staying`).

    None of these refusals makes a device remove anything; only the command `disconnect` does
    (docs/reference/wire-protocol.md#device-id-and-namespace).
    """
    stranger = "the device is unknown to this control plane"
    match membership:
        case Membership.LEAVING if staying:
            text = "the device is being deleted; it keeps its configuration"
            raise Refusal(403, text, reason=DEVICE_LEAVING)
        case Membership.DECOMMISSIONED:
            raise Refusal(403, "the device was decommissioned", reason=DEVICE_DECOMMISSIONED)
        case Membership.ABSENT:
            raise Refusal(404, stranger, reason=UNKNOWN_DEVICE)
        case Membership.REVOKED:
            text = f"{stranger}: the certificate is for an earlier device of this name"
            raise Refusal(403, text, reason=UNKNOWN_DEVICE)
        case _:
            return


def _former_device(request: web.Request) -> Peer:
    """Return the device, whose certificate may have expired.

    That is enough to be told that it was decommissioned: it may have been offline for long.
    """
    messages.require_json_accepted(request)
    peer = peer_of(request)
    require_former_device(peer, request.match_info["device_id"], datetime.now(UTC))
    return peer


def _own_device(request: web.Request) -> Peer:
    messages.require_json_accepted(request)
    peer = peer_of(request)
    require_own_device(peer, request.match_info["device_id"], datetime.now(UTC))
    return peer
