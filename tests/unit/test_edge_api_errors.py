"""What a device hears when the resource API does not take what it sent."""

from __future__ import annotations

import json

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from flotta.edge_api.backends.resource_api.errors import translate_api_errors
from flotta.edge_api.metrics import EdgeApiMetrics
from flotta.edge_api.middleware import error_middleware
from flotta.resources.errors import ApiError, Conflict, Invalid, Unreachable


@pytest.mark.parametrize(
    ("error", "status", "reason", "retry_after", "words"),
    [
        (Conflict(409, "Conflict", "changed"), 503, "Conflict", "2", "send the message again"),
        (
            Unreachable(0, "Unreachable", "refused"),
            503,
            "ResourceApiUnreachable",
            "5",
            "does not answer",
        ),
        (
            Invalid(422, "Invalid", "secret detail"),
            500,
            "ResourceApiRefused",
            None,
            "refused the request: Invalid",
        ),
    ],
)
async def test_temporary_and_lasting_errors_have_different_statuses(
    error: ApiError, status: int, reason: str, retry_after: str | None, words: str
) -> None:
    @translate_api_errors
    async def refuse(_: web.Request) -> web.Response:
        raise error

    response = await error_middleware(EdgeApiMetrics())(
        make_mocked_request("POST", "/data/d-17/out"), refuse
    )

    assert (response.status, response.headers.get("Retry-After")) == (status, retry_after)
    body = json.loads(response.body)
    message = body["message"]
    assert body["reason"] == reason
    assert words in message
    assert error.message not in message
