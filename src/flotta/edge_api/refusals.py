"""Responses that refuse a request: one exception, one JSON body.

The gateway of v0.2 drops a response whose body is neither empty nor JSON, so every error of this
server has the same small JSON body (docs/reference/wire-protocol.md#error-body).
"""

from __future__ import annotations

import json

from aiohttp import web


class Refusal(Exception):
    """Respond to the request with this HTTP status and sentence.

    `code` differs from the status for 422 only.
    """

    def __init__(
        self, status: int, message: str, *, code: int | None = None, retry_after: int | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = status if code is None else code
        self.retry_after = retry_after  # seconds


def refusal_response(refusal: Refusal) -> web.Response:
    """Return the HTTP response of a refusal."""
    headers = {} if refusal.retry_after is None else {"Retry-After": str(refusal.retry_after)}
    return error_response(refusal.status, refusal.code, refusal.message, headers)


def error_response(
    status: int, code: int, message: str, headers: dict[str, str] | None = None
) -> web.Response:
    """Return a response with body `{"code": …, "message": …}`."""
    text = json.dumps({"code": code, "message": message})
    return web.Response(
        status=status, text=text, content_type="application/json", headers=headers or {}
    )
