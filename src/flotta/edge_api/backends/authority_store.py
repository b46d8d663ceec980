"""The interface to what administrators ask of the fleet's CA, and what they learn about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from flotta.identity.rollover import RolloverAnswer, RolloverRequest
from flotta.protocol.reasons.reason import Code


class AuthorityStore(Protocol):
    """Requests, devices and public certificates. Every method may raise BackendError."""

    async def read_request(self) -> RolloverRequest | None:
        """Return the request that has no answer yet, as of now."""

    async def answer(self, request: RolloverRequest, answer: RolloverAnswer) -> None:
        """Write the answer, unless another server did, or there is another request."""

    async def list_devices_of_others(self, authority: str) -> list[str]:
        """Return `namespace/name` of registered devices that did not use a certificate of this CA.

        `authority` is its key identifier in hex. A device that was not heard from since a release
        that does not record it counts too.
        """

    async def publish(self, certificates: Mapping[str, str]) -> None:
        """Write PEM texts by file name where who may not read keys finds them."""

    async def warn(self, secret: str, code: Code, sentence: str) -> None:
        """Tell administrators, where they look for what happened to it, about a secret."""

    def subscribe(self, changed: Callable[[], None]) -> None:
        """Call `changed` in the loop when a request may have come, while the backend runs."""
