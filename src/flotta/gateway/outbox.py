"""Messages of the workers on their way to the Edge API.

See docs/reference/wire-protocol.md#from-the-worker-to-the-edge-api.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from flotta.gateway.certificate_requests import CertificateRequests
from flotta.gateway.edge_api_client import EdgeApiClient
from flotta.gateway.errors import GatewayError, describe_error
from flotta.gateway.http_client import HttpResponse
from flotta.gateway.identity_store import IdentityStore
from flotta.gateway.log_once import LogOnce
from flotta.gateway.renewal import Renewal
from flotta.gateway.status_codes import explain_refusal
from flotta.protocol.directives import (
    CERTIFICATE,
    CONFIGURATION_WANTED,
    ENROLMENT,
    REGISTRATION,
    WANTED_HEADER,
)
from flotta.protocol.envelope import Message, encode
from flotta.protocol.forwarded_response import ForwardedResponse
from flotta.protocol.grpc import Data
from flotta.protocol.json_text import decode_json
from flotta.protocol.reasons.device_programs import NOT_JOINED
from flotta.protocol.reasons.reason import with_code
from flotta.rfc3339 import format_wire_time

log = logging.getLogger(__name__)

NO_RESPONSE = b""  # a worker gets it when there was no response
RENEWAL_TIMEOUT = 30.0  # seconds for which a message waits for a new certificate
UNREGISTERED = HttpResponse(401, {})
TAKEN = HttpResponse(200, {})


class Outbox:
    """Sends the workers' messages; returns the responses as the gRPC protocol has them."""

    def __init__(
        self,
        device_id: str,
        store: IdentityStore,
        edge_api: EdgeApiClient,
        certificate_requests: CertificateRequests,
        renewal: Renewal,
    ) -> None:
        self._device_id = device_id
        self._store = store
        self._edge_api = edge_api
        self._certificate_requests = certificate_requests
        self._renewal = renewal
        self._log_once = LogOnce(log)
        self.closed = False
        self.on_unregistered: Callable[[], None] = lambda: None
        self.on_configuration_wanted: Callable[[], None] = lambda: None
        self.on_response: Callable[[str, HttpResponse], None] = lambda *_: None
        self.on_failed: Callable[[str, GatewayError | OSError], None] = lambda *_: None

    async def send(self, data: Data) -> bytes:
        """Return the response as JSON bytes, empty when there was none.

        Raises ValueError for content that is not one JSON value, and for a URL as directive.
        """
        content = _parse_json(data.content)
        if "://" in data.directive:
            raise ValueError("a URL as directive is not supported")
        if self.closed:
            return NO_RESPONSE
        try:
            response = await self._route_message(data, content)
        except (GatewayError, OSError) as error:
            self._log_once.failed(data.directive, describe_error(error))
            self.on_failed(data.directive, error)
            return NO_RESPONSE
        self._log_outcome(data.directive, response)
        self.on_response(data.directive, response)
        return _encode_response(response)

    async def _route_message(self, data: Data, content: msgspec.Raw) -> HttpResponse:
        if data.directive == CONFIGURATION_WANTED:
            self.on_configuration_wanted()
            return TAKEN
        is_device = self._store.load_current().is_device
        if data.directive == ENROLMENT:
            return await self._post_message(
                data, self._certificate_requests.add_fingerprint(bytes(content))
            )
        if data.directive == REGISTRATION:
            return await self._certificate_requests.register(
                bytes(content), lambda complete: self._post_message(data, complete)
            )
        if not is_device:
            self.on_unregistered()
            return UNREGISTERED  # as the Edge API would respond; the worker then registers
        return await self._post_and_renew(data, content)

    async def _post_and_renew(self, data: Data, content: msgspec.Raw) -> HttpResponse:
        response = await self._post_message(data, content)
        used = response.identity
        if used is not None and response.headers.get(WANTED_HEADER.lower()) == CERTIFICATE:
            self._renewal.want(used)
        if response.status != 401 or used is None:
            return response
        if not self._renewal.demand(used):
            self._edge_api.reconnect()  # a new one is there; a kept connection may have this one
        elif not await self._renewal.wait_for_new_identity(RENEWAL_TIMEOUT):
            return response
        return await self._post_message(data, content)

    async def _post_message(self, data: Data, content: msgspec.Raw) -> HttpResponse:
        message = Message(
            type="data",
            message_id=data.message_id or str(uuid.uuid4()),
            response_to=data.response_to,
            version=1,
            sent=format_wire_time(datetime.now(UTC)),
            directive=data.directive,
            metadata=dict(data.metadata) or None,
            content=content,
        )
        return await self._edge_api.post("data", encode(message))

    def _log_outcome(self, directive: str, response: HttpResponse) -> None:
        if directive == ENROLMENT and response.status == 200:
            self._log_once.failed(
                directive,
                with_code(
                    f"waiting for the approval of EdgeDeviceSignedRequest {self._device_id}",
                    NOT_JOINED,
                ),
            )
        elif response is UNREGISTERED:
            self._log_once.failed(
                directive, with_code("not sent: this device has not registered yet", NOT_JOINED)
            )
        elif response.ok:
            self._log_once.recovered(directive)
        else:
            self._log_once.failed(directive, explain_refusal(response, self._device_id))


def _parse_json(content: bytes) -> msgspec.Raw:
    """Return one JSON value; empty content becomes `null`, as in the gateway of v0.2."""
    if not content.strip():
        return msgspec.Raw(b"null")
    try:
        decode_json(content, object)
    except msgspec.DecodeError as error:
        raise ValueError(f"the content must be one JSON value: {error}") from error
    return msgspec.Raw(content)


def _encode_response(response: HttpResponse) -> bytes:
    try:
        body: object = _parse_json(response.body)
    except ValueError:
        body = None
    headers = {_canonical_name(name): value for name, value in response.headers.items()}
    return encode(ForwardedResponse(response.status, body, headers))


def _canonical_name(name: str) -> str:
    """Return a header name as Go writes it: `Content-Type`, `Etag`."""
    return "-".join(part.capitalize() for part in name.split("-"))
