"""What is looked at before the body of a request is read: certificate, rate, form of the body.

Nothing here costs more than the head of the request, so a peer that is not admitted costs nothing
else. The order is in docs/reference/wire-protocol.md#status-codes.
"""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from flotta.edge_api.authorization import certificate_of, peer_of
from flotta.edge_api.messages import MAX_BODY, body_too_large
from flotta.edge_api.rate_limits import RateLimits
from flotta.edge_api.refusals import Refusal
from flotta.identity.peers import is_device_id
from flotta.protocol.reasons.refusals import (
    CERTIFICATE_NOT_ACCEPTED,
    UNSUPPORTED_ENCODING,
    UNSUPPORTED_EXPECTATION,
)

CONTINUE = "100-continue"


def admission_middleware(
    limits: RateLimits, shuts_out: Callable[[bytes], bool] = lambda _: False
) -> Middleware:
    """Return the middleware that admits a request to its handler, or raises Refusal.

    `shuts_out` tells whether a DER certificate is of a CA that is trusted no longer.
    Statuses: 401 (certificate without class, or of a former CA), 429 (rate), 413, 415 and 417 (form
    of the body).
    """

    @web.middleware
    async def admit(request: web.Request, handler: Handler) -> web.StreamResponse:
        device_id = request.match_info.get("device_id", "")
        device_id = device_id if is_device_id(device_id) else ""
        peer = peer_of(request)
        if shuts_out(certificate_of(request)):
            raise Refusal(
                401,
                "the CA that issued the client certificate is trusted no longer",
                reason=CERTIFICATE_NOT_ACCEPTED,
                closes=True,
            )
        limits.admit_request(peer, device_id)
        _require_plain_body(request)
        _require_small_body(request)
        limits.admit_body(peer, device_id, _largest_size(request))
        return await handler(request)

    return admit


def _require_plain_body(request: web.Request) -> None:
    """Refuse coded bodies: to inflate one costs a thousand times what it costs to send it."""
    transfer = ",".join(request.headers.getall(hdrs.TRANSFER_ENCODING, []))
    if hdrs.CONTENT_ENCODING in request.headers or transfer.strip().lower() not in ("", "chunked"):
        raise Refusal(
            415,
            "the body is compressed or coded; send it without Content-Encoding, and with no "
            "Transfer-Encoding other than chunked",
            reason=UNSUPPORTED_ENCODING,
        )
    if request.headers.get(hdrs.EXPECT, CONTINUE).strip().lower() != CONTINUE:
        raise Refusal(
            417, f"the only expectation allowed is {CONTINUE}", reason=UNSUPPORTED_EXPECTATION
        )


def _require_small_body(request: web.Request) -> None:
    if (request.content_length or 0) > MAX_BODY:
        raise body_too_large()


def _largest_size(request: web.Request) -> int:
    """Return how many bytes the body can have; one without a length counts as the largest."""
    if request.content_length is not None:
        return request.content_length
    return MAX_BODY if request.body_exists else 0
