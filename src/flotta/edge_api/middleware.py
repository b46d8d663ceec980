"""Errors of handlers as JSON responses, log lines and counts."""

from __future__ import annotations

import logging
import time

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from flotta.edge_api.authorization import peer_of
from flotta.edge_api.backends.backend import BackendError
from flotta.edge_api.handlers import HELD
from flotta.edge_api.messages import ClientGone
from flotta.edge_api.metrics import EdgeApiMetrics
from flotta.edge_api.refusal_log import RefusalLog
from flotta.edge_api.refusals import Refusal, error_response, refusal_response
from flotta.limited_log import LimitedLog
from flotta.printable_text import printable
from flotta.protocol.reasons.refusals import (
    INVALID_MESSAGE,
    NOT_APPROVED,
    NOT_ENROLLED,
    TOO_MANY_ENROLMENTS,
    TOO_MANY_PENDING_REQUESTS,
    TOO_MANY_REQUESTS,
)
from flotta.protocol.reasons.workloads import INTERNAL_ERROR

# Reasons logged at debug level only: a device waits for its approval, or sends too much.
USUAL = (
    *(NOT_ENROLLED, NOT_APPROVED),
    *(TOO_MANY_REQUESTS, TOO_MANY_ENROLMENTS, TOO_MANY_PENDING_REQUESTS),
)
PATH_LIMIT = 200  # characters of a path in a log line
log = logging.getLogger(__name__)


def error_middleware(metrics: EdgeApiMetrics) -> Middleware:
    """Return the middleware that turns errors into JSON responses and counts."""
    errors = _Errors(metrics)

    @web.middleware
    async def translate(request: web.Request, handler: Handler) -> web.StreamResponse:
        started = time.monotonic()
        try:
            response = await handler(request)
        except Exception as error:  # a defect ends its request, not the server
            response = errors.respond(request, error)
        finally:
            if HELD not in request:
                channel = "control" if "/control/" in request.path else "data"
                metrics.latency.labels(channel).observe(time.monotonic() - started)
        if not request.content.is_eof():
            response.force_close()  # the rest of the body is not worth reading
        return response

    return translate


class _Errors:
    """Turns each error of a handler into a response; logs a limited number of them."""

    def __init__(self, metrics: EdgeApiMetrics) -> None:
        self._metrics = metrics
        self._refusals = RefusalLog(log)
        self._failures = LimitedLog(log)

    def respond(self, request: web.Request, error: Exception) -> web.Response:
        """Return the response of an error."""
        match error:
            case Refusal():
                self._log_refusal(request, error)
                self._metrics.count_refusal(error.status, error.reason)
                return refusal_response(error)
            case ClientGone():
                log.debug("%s: the client closed the connection", _describe(request))
                return web.Response(status=408)  # nobody reads it
            case BackendError():
                self._failures.log(
                    logging.WARNING, "%s: %s", _describe(request), printable(str(error))
                )
                return refusal_response(error.refusal)
            case web.HTTPException():
                return error_response(error.status, error.reason, INVALID_MESSAGE)
        self._failures.log(logging.ERROR, "%s", _describe(request), exc_info=True)
        return error_response(500, "internal error", reason=INTERNAL_ERROR)

    def _log_refusal(self, request: web.Request, refusal: Refusal) -> None:
        level = logging.DEBUG if refusal.reason in USUAL else logging.INFO
        self._refusals.log(
            level,
            _client_of(request),
            refusal.reason,
            "%s from %s: %d %s: %s",
            _describe(request),
            request.remote or "an unknown address",
            refusal.status,
            refusal.reason,
            printable(refusal.message),
        )


def _client_of(request: web.Request) -> str:
    """Return what tells a client from others: its certificate or, without one, its address."""
    try:
        return peer_of(request).fingerprint
    except (Refusal, ClientGone):
        return request.remote or ""


def _describe(request: web.Request) -> str:
    """Return method and path for the log; a path may hold any character, also line breaks."""
    return f"{printable(request.method, 20)} {printable(request.path, PATH_LIMIT)}"
