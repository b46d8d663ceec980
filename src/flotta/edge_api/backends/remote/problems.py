"""What can be wrong with a remote data store, as errors whose text names the remedy.

Devices get less: that the store cannot be used now, and when to ask again
(docs/reference/configuration-api.md#what-the-edge-api-does-with-each-answer).
"""

from __future__ import annotations

import random

from flotta.edge_api.backends.backend import BackendError
from flotta.edge_api.refusals import Refusal
from flotta.protocol.reasons.reason import Code
from flotta.protocol.reasons.refusals import (
    STORE_ANSWER_INVALID,
    STORE_REFUSED,
    STORE_UNREACHABLE,
)

RETRY_AFTER = 5, 20  # seconds; at random in between, so that devices do not return together
MAX_RETRY_AFTER = 300  # seconds; a store cannot make a device wait longer


class StoreError(BackendError):
    """The store could not be used. `text` says what is wrong and what to do about it.

    `is_outage`: it concerns the store as a whole, not one device. `retriable`: another attempt a
    moment later may succeed.
    """

    reason: Code = STORE_UNREACHABLE
    sentence = "the data store of this control plane cannot be reached now"

    def __init__(
        self,
        text: str,
        *,
        is_outage: bool = False,
        retriable: bool = False,
        retry_after: int | None = None,
    ) -> None:
        seconds = random.randint(*RETRY_AFTER)  # noqa: S311 - spreads load
        if retry_after is not None:
            seconds += min(retry_after, MAX_RETRY_AFTER)
        refusal = Refusal(503, self.sentence, reason=self.reason, retry_after=seconds)
        super().__init__(f"{text} [{self.reason}]", refusal)
        self.text = text
        self.is_outage = is_outage
        self.retriable = retriable


class StoreUnreachable(StoreError):
    """No answer: no connection, no TLS, no HTTP, too late, or 5xx."""


class StoreRefused(StoreError):
    """The store, or TLS on either side, does not let this Edge API in."""

    reason = STORE_REFUSED
    sentence = "the data store of this control plane and the Edge API do not trust each other"


class StoreAnswerInvalid(StoreError):
    """An answer that says nothing: not as the API describes it, too large or too deep."""

    reason = STORE_ANSWER_INVALID
    sentence = "the data store of this control plane gave an answer that cannot be used"
