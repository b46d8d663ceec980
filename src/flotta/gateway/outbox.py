"""Messages of the workers on their way to the Edge API (edge-api.md §5.4)."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from flotta.gateway.diagnosis import explain
from flotta.gateway.edge_api import EdgeApi
from flotta.gateway.errors import GatewayError
from flotta.gateway.journal import Journal
from flotta.gateway.lane import Answer
from flotta.gateway.pairs import Identity
from flotta.gateway.registration import Registration
from flotta.gateway.renewal import Renewal
from flotta.gateway.store import IdentityStore
from flotta.protocol.directives import ENROLMENT, REGISTRATION
from flotta.protocol.envelope import Message, encode
from flotta.protocol.grpc import Data
from flotta.rfc3339 import format_wire_time

log = logging.getLogger(__name__)

NOTHING = b""  # what a worker gets when there was no answer
WAIT_FOR_RENEWAL = 30.0
UNREGISTERED = Answer(401, {})


class Outbox:
    """Send a worker's message and give it the answer in the form of the protocol."""

    def __init__(
        self,
        device_id: str,
        store: IdentityStore,
        edge_api: EdgeApi,
        registration: Registration,
        renewal: Renewal,
    ) -> None:
        self._device_id = device_id
        self._store = store
        self._edge_api = edge_api
        self._registration = registration
        self._renewal = renewal
        self._journal = Journal(log)
        self.closed = False
        self.unregistered: Callable[[], None] = lambda: None

    async def send(self, data: Data) -> bytes:
        """Return the answer as JSON bytes, empty when there was none.

        Raises ValueError when the message is no message: several or no JSON values, or a URL
        as directive.
        """
        content = _json(data.content)
        if "://" in data.directive:
            raise ValueError("directives with a URL are not supported")
        if self.closed:
            return NOTHING
        try:
            answer = await self._dispatch(data, content)
        except (GatewayError, OSError) as error:
            self._journal.trouble(data.directive, str(error))
            return NOTHING
        self._report(data.directive, answer)
        return _response(answer)

    async def _dispatch(self, data: Data, content: msgspec.Raw) -> Answer:
        identity = self._store.current()
        if data.directive == ENROLMENT:
            return await self._post(data, self._registration.enrolment(bytes(content)))
        if data.directive == REGISTRATION:
            return await self._registration.register(
                bytes(content), lambda complete: self._post(data, complete)
            )
        if not identity.is_device:
            self.unregistered()
            return UNREGISTERED  # the Edge API would say so, too; tells the worker to register
        return await self._post_and_renew(data, content, identity)

    async def _post_and_renew(self, data: Data, content: msgspec.Raw, used: Identity) -> Answer:
        answer = await self._post(data, content)
        if answer.status != 401:
            return answer
        if self._renewal.demand(used) and not await self._renewal.renewed(WAIT_FOR_RENEWAL):
            return answer
        return await self._post(data, content)

    async def _post(self, data: Data, content: msgspec.Raw) -> Answer:
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

    def _report(self, directive: str, answer: Answer) -> None:
        if directive == ENROLMENT and answer.status == 200:
            self._journal.trouble(
                directive,
                f"waiting for approval of the EdgeDeviceSignedRequest {self._device_id}",
            )
        elif answer is UNREGISTERED:
            self._journal.trouble(directive, "not sent: this device is not registered yet")
        elif answer.good:
            self._journal.fine(directive)
        else:
            self._journal.trouble(directive, explain(answer.status, self._device_id))


def _json(content: bytes) -> msgspec.Raw:
    """Return one JSON value; nothing becomes `null`, as the reference gateway has it."""
    if not content.strip():
        return msgspec.Raw(b"null")
    try:
        msgspec.json.decode(content)
    except msgspec.DecodeError as error:
        raise ValueError(f"the content has to be one JSON value: {error}") from error
    return msgspec.Raw(content)


def _response(answer: Answer) -> bytes:
    try:
        body: object = msgspec.json.decode(answer.body) if answer.body.strip() else None
    except msgspec.DecodeError:
        body = None
    names = {_canonical(name): value for name, value in answer.headers.items()}
    return encode({"StatusCode": answer.status, "Body": body, "Metadata": names})


def _canonical(name: str) -> str:
    """Return a header name as Go writes it: `Content-Type`, `Etag`."""
    return "-".join(part.capitalize() for part in name.split("-"))
