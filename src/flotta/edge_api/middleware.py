"""Errors of handlers as JSON responses, log lines and counts."""

from __future__ import annotations

import logging
import time

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from flotta.edge_api.backends.backend import BackendError
from flotta.edge_api.handlers import HELD
from flotta.edge_api.metrics import EdgeApiMetrics
from flotta.edge_api.refusals import Refusal, error_response, refusal_response

# HTTP statuses logged at debug level only: a device waits for its approval, or sends too much.
USUAL = (404, 429)
log = logging.getLogger(__name__)


def error_middleware(metrics: EdgeApiMetrics) -> Middleware:
    """Return the middleware that turns errors into JSON responses and counts."""

    @web.middleware
    async def translate(request: web.Request, handler: Handler) -> web.StreamResponse:
        started = time.monotonic()
        try:
            return await handler(request)
        except Refusal as refusal:
            _log_refusal(request, refusal, metrics)
            return refusal_response(refusal)
        except web.HTTPException as error:
            return _framework_error_response(error)
        except BackendError as error:
            log.warning("%s %s: %s", request.method, request.path, error)
            return refusal_response(error.refusal)
        except Exception:  # a defect ends its request, not the server
            log.exception("%s %s", request.method, request.path)
            return error_response(500, 500, "internal error")
        finally:
            if HELD not in request:
                channel = "control" if "/control/" in request.path else "data"
                metrics.latency.labels(channel).observe(time.monotonic() - started)

    return translate


def _log_refusal(request: web.Request, refusal: Refusal, metrics: EdgeApiMetrics) -> None:
    level = logging.DEBUG if refusal.status in USUAL else logging.INFO
    address = request.remote or "an unknown address"
    log.log(
        level,
        "%s %s from %s: %d %s",
        request.method,
        request.path,
        address,
        refusal.status,
        refusal.message,
    )
    if refusal.status == 401:
        metrics.count("failed_authentication")
    elif refusal.status == 403:
        metrics.count("invalid_owner")


def _framework_error_response(error: web.HTTPException) -> web.Response:
    allow = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
    return error_response(error.status, error.status, error.reason, allow)
