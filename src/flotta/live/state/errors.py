"""Why there is no state; each has the code and the sentence of a warning."""

from __future__ import annotations

from flotta.protocol.reasons.reason import Code


class NoState(Exception):
    """The state cannot be used or made, and nothing was changed that was not ours."""

    def __init__(self, reason: Code, message: str) -> None:
        super().__init__(message)
        self.reason = reason
