"""Translates errors of the resource API into those of a backend."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

from flotta.edge_api.backends.backend import BackendError
from flotta.edge_api.refusals import Refusal
from flotta.protocol.reasons.refusals import (
    CONFLICT,
    RESOURCE_API_REFUSED,
    RESOURCE_API_UNREACHABLE,
)
from flotta.resources.errors import ApiError, Conflict

P = ParamSpec("P")
T = TypeVar("T")


def refuse_api_error(error: ApiError) -> Refusal:
    """Return what a device gets for an error, without the details of the API's message."""
    if error.status == 0:
        return Refusal(
            503, "the resource API does not answer", reason=RESOURCE_API_UNREACHABLE, retry_after=5
        )
    if isinstance(error, Conflict):
        return Refusal(
            503,
            "other writers keep changing the same object; send the message again",
            reason=CONFLICT,
            retry_after=2,
        )
    return Refusal(
        500,
        f"the resource API refused the request: {error.reason or error.status}",
        reason=RESOURCE_API_REFUSED,
    )


def translate_api_errors(
    method: Callable[P, Awaitable[T]],
) -> Callable[P, Coroutine[Any, Any, T]]:
    """Make a method raise BackendError where it would raise ApiError."""

    @functools.wraps(method)
    async def translated(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await method(*args, **kwargs)
        except ApiError as error:
            raise BackendError(str(error), refuse_api_error(error)) from error

    return translated
