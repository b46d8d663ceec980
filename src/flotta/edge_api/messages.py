"""Reading requests and writing responses: bodies, envelopes, headers.

The rules are in docs/reference/wire-protocol.md#headers-and-caching and its section "Invalid
bodies".
"""

from __future__ import annotations

import asyncio
import re
from typing import TypeVar

import msgspec
from aiohttp import HttpVersion11, hdrs, web

from flotta.edge_api.refusals import Refusal
from flotta.protocol.envelope import (
    Message,
    MessageResponse,
    decode,
    decode_message,
    encode,
)
from flotta.protocol.reasons import refusals
from flotta.protocol.reasons.refusals import (
    BODY_TOO_LARGE,
    INVALID_MESSAGE,
    NOT_ACCEPTABLE,
    UNSUPPORTED_MEDIA_TYPE,
)
from flotta.rfc3339 import parse_time
from flotta.serving.limits import Deadlines

T = TypeVar("T")
# Bytes. A heartbeat of a device with 250 workloads that all fail and report their reasons, or with
# the hardware of a server (64 disks, 128 interfaces, 500 device files), has less than 200 KiB.
MAX_BODY = 256 * 1024
BODY_TIMEOUT = 30.0  # seconds, besides those that a slow network takes (`Deadlines.for_body`)
MAX_WAIT = 90.0  # seconds
WAIT = re.compile(r"(?:^|[,;])\s*wait\s*=\s*\"?(\d{1,6})\"?\s*(?=[,;]|$)", re.IGNORECASE)
JSON = "application/json"
# Objects in a content. With MAX_BODY it takes objects of less than 16 bytes to reach it; those of a
# report have 60 or more. Counting them costs a hundredth of decoding them.
MAX_OBJECTS = 16_384
ACCEPTED = frozenset({JSON, "application/*", "*/*"})


class ClientGone(Exception):
    """The client closed its connection before it got its response."""


def body_too_large() -> Refusal:
    """Return the refusal of a body of more than MAX_BODY bytes."""
    return Refusal(413, f"the body is larger than {MAX_BODY // 1024} KiB", reason=BODY_TOO_LARGE)


def require_json_accepted(request: web.Request) -> None:
    """Refuse (406) a client that does not accept JSON."""
    accept = request.headers.get(hdrs.ACCEPT)
    if accept and not ACCEPTED & {part.split(";")[0].strip() for part in accept.lower().split(",")}:
        raise Refusal(
            406,
            f"the Accept header does not allow {JSON}, the only type that is available",
            reason=NOT_ACCEPTABLE,
        )


async def read_message(request: web.Request) -> Message:
    """Return the envelope of a POST.

    Raises Refusal 422 (no body or an unknown type), 415, 408 (too slow) or 400 (not a message); see
    docs/reference/wire-protocol.md#invalid-bodies.
    """
    body = await _read_body(request)
    if not body:
        raise Refusal(
            422, "the request has no body; it must be a message", reason=INVALID_MESSAGE, code=602
        )
    if request.content_type != JSON:
        raise Refusal(
            415,
            f"the content type is {request.content_type!r}; it must be {JSON}",
            reason=UNSUPPORTED_MEDIA_TYPE,
        )
    try:
        message = decode_message(body)
        parse_time(message.sent)
    except msgspec.MsgspecError as error:
        raise Refusal(400, f"the body is not a message: {error}", reason=INVALID_MESSAGE) from error
    except ValueError as error:
        if str(error).startswith("type in body"):
            raise Refusal(422, str(error), reason=INVALID_MESSAGE, code=606) from error
        raise Refusal(400, f"sent: {error}", reason=INVALID_MESSAGE) from error
    return message


def decode_content(message: Message, type_: type[T]) -> T:
    """Return the content of a message as a model; raises Refusal 400 when it does not fit."""
    if bytes(message.content).count(b"{") > MAX_OBJECTS:
        problem = f"content: it has more than {MAX_OBJECTS} objects"
        raise Refusal(400, problem, reason=INVALID_MESSAGE)
    try:
        return decode(message.content, type_)
    except ValueError as error:
        raise Refusal(400, f"content: {error}", reason=INVALID_MESSAGE) from error


def empty_response(status: int = 200) -> web.Response:
    """Return a response without a body."""
    return web.Response(status=status, headers={hdrs.CONTENT_TYPE: JSON})


def json_response(body: bytes, headers: dict[str, str] | None = None) -> web.Response:
    """Return a 200 with this JSON."""
    return web.Response(body=body, content_type=JSON, headers=headers)


def message_response(
    request: Message, content: object, metadata: dict[str, object] | None = None
) -> web.Response:
    """Return the response to a message from the device."""
    raw = msgspec.Raw(encode(content))
    return json_response(
        encode(MessageResponse(request.directive, request.message_id, raw, metadata))
    )


def read_wait_preference(request: web.Request) -> float:
    """Return for how many seconds the client allows its request to be held.

    That is `Prefer: wait` of RFC 7240, 0 without it, at most MAX_WAIT.
    """
    found = WAIT.search(",".join(request.headers.getall("Prefer", [])))
    return min(float(found[1]), MAX_WAIT) if found else 0.0


def known_version(request: web.Request) -> str | None:
    """Return the version in If-None-Match (RFC 9110, 13.1.2), None without one."""
    text = request.headers.get(hdrs.IF_NONE_MATCH, "").strip()
    return text.removeprefix("W/").strip('"') or None


async def _read_body(request: web.Request) -> bytes:
    """Return the body; it is never held in memory beyond MAX_BODY."""
    try:
        seconds = Deadlines(body=BODY_TIMEOUT).for_body(request.content_length)
        async with asyncio.timeout(seconds):
            await _invite_body(request)
            return await request.read()
    except (TimeoutError, web.HTTPRequestTimeout) as error:
        raise Refusal(
            408, "the body did not arrive in time", reason=refusals.BODY_TIMEOUT
        ) from error
    except web.HTTPRequestEntityTooLarge as error:
        raise body_too_large() from error
    except ConnectionError as error:
        raise ClientGone from error
    except web.RequestPayloadError as error:
        raise Refusal(
            400, "the body is not HTTP: its chunks are malformed", reason=INVALID_MESSAGE
        ) from error


async def _invite_body(request: web.Request) -> None:
    """Respond to `Expect: 100-continue`, now that the body is wanted (RFC 9110, 10.1.1)."""
    if hdrs.EXPECT in request.headers and request.version >= HttpVersion11:
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0
