"""One request and its response, and what every check asks of a response."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from flotta.configuration_api.conformance.outcomes import Failed
from flotta.printable_text import printable
from flotta.protocol.json_text import decode_json

T = TypeVar("T")
EXCERPT = 160  # characters of a body in a sentence
ABSENT = (404, 405, 501)  # what a store says of an addition that it does not have
DONE = (200, 201, 204)  # what an Edge API takes for "done" in response to a PUT


@dataclass(frozen=True)
class Exchange:
    """A request and its response; the names of the headers are in lower case."""

    method: str
    path: str  # below the base path
    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float  # until the whole response was here
    hold: int = 0  # seconds for which the request allowed to be held

    def __str__(self) -> str:
        text = printable(self.body.decode(errors="replace"), EXCERPT)
        return f"{self.method} /{self.path} got {self.status}{f' with {text}' if text else ''}"

    @property
    def succeeded(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300

    def require(self, *statuses: int, because: str) -> None:
        """Raise Failed for another status."""
        if self.status not in statuses:
            expected = " or ".join(map(str, statuses))
            raise Failed(f"{self}; expected {expected}: {because}")

    def require_done(self, because: str) -> None:
        """Raise Failed for what an Edge API does not take for "done"; 202 promises nothing."""
        if self.status not in DONE:
            raise Failed(f"{self}; expected 200: {because}")

    def read(self, type_: type[T], what: str) -> T:
        """Return the body as a model; raises Failed for what is none."""
        try:
            return decode_json(self.body, type_)
        except msgspec.MsgspecError as error:
            raise Failed(f"{self}; expected {what}: {error}") from error
