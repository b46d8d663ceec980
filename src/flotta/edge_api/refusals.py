"""Responses that refuse a request: one exception, one JSON body.

The gateway of v0.2 drops a response whose body is neither empty nor JSON, so every error of this
server has the same small JSON body (docs/reference/wire-protocol.md#error-body).
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from aiohttp import hdrs, web

from flotta.protocol.reasons.reason import Code


class Refusal(Exception):
    """Respond to the request with this HTTP status and sentence.

    `code` differs from the status for 422 only. `reason` is a word of
    docs/reference/reasons.md#refusals-of-the-edge-api. `details` are further fields of the body;
    `closes` ends the connection with the response.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        reason: Code,
        code: int | None = None,
        retry_after: int | None = None,
        headers: Mapping[str, str] | None = None,
        details: Mapping[str, str] | None = None,
        closes: bool = False,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.reason = reason
        self.code = status if code is None else code
        self.details = dict(details or {})
        self.closes = closes
        self.headers = dict(headers or {})
        if retry_after is not None:  # seconds
            self.headers[hdrs.RETRY_AFTER] = str(retry_after)


def refusal_response(refusal: Refusal) -> web.Response:
    """Return the HTTP response of a refusal."""
    response = error_response(
        refusal.status,
        refusal.message,
        refusal.reason,
        code=refusal.code,
        headers=refusal.headers,
        details=refusal.details,
    )
    if refusal.closes:
        response.force_close()
    return response


def error_response(
    status: int,
    message: str,
    reason: Code,
    *,
    code: int | None = None,
    headers: Mapping[str, str] | None = None,
    details: Mapping[str, str] | None = None,
) -> web.Response:
    """Return a response with body `{"code": …, "reason": …, "message": …}`, and the details."""
    body = {
        **(details or {}),
        "code": status if code is None else code,
        "reason": reason,
        "message": message,
    }
    return web.Response(
        status=status, text=json.dumps(body), content_type="application/json", headers=headers
    )
