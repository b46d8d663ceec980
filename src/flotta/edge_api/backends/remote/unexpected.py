"""What a status means that a call does not expect."""

from __future__ import annotations

from flotta.edge_api.backends.remote.problems import (
    StoreAnswerInvalid,
    StoreError,
    StoreRefused,
    StoreUnreachable,
)
from flotta.edge_api.backends.remote.transport import Answer

UNREADABLE = frozenset({400, 413, 415, 422})
LATER = frozenset({429, 503})  # statuses that say when to come back, if ever


def explain(operation: str, answer: Answer) -> StoreError:
    """Return the error for an answer to an operation that does not expect its status."""
    said = f"The data store answered {answer.status} to {operation}"
    status = answer.status
    if status in (401, 403):
        return StoreRefused(
            f"{said}: it does not let the Edge API in; let it accept the client certificate with "
            "the subject O=flotta-edge-api, CN=flotta-edge-api",
        )
    if status in LATER:
        return StoreUnreachable(
            f"{said}: it has too much to do; look at its load",
            is_outage=status == 503,
            retry_after=read_retry_after(answer),
        )
    if status >= 500:
        # Of one device only, as far as is known: stores of v0.2 answer so to a broken reference.
        return StoreUnreachable(
            f"{said}; look at the log of the store", is_outage=status in (502, 504), retriable=True
        )
    if 300 <= status < 400:
        return StoreAnswerInvalid(
            f"{said}, and redirects are not followed; name the final address in REMOTE_BACKEND_URL"
        )
    if status in UNREADABLE:
        return StoreAnswerInvalid(
            f"{said}: it cannot read what the Edge API passes on; look at the log of the store, "
            "and correct it"
        )
    return StoreAnswerInvalid(f"{said}, which the API does not have; correct the store")


def read_retry_after(answer: Answer) -> int | None:
    """Return the seconds of Retry-After, None without a number of them."""
    text = answer.headers.get("retry-after", "").strip()
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 6 else None
