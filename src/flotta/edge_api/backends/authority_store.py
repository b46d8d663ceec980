"""The interface to what administrators ask of the fleet's CA, and what they learn about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from flotta.identity.rollover import RolloverAnswer, RolloverRequest
from flotta.protocol.reasons.reason import Code


@dataclass(frozen=True)
class LeftBehind:
    """Whom the end of a rollover shuts out; all are sorted texts `namespace/name`."""

    devices: Sequence[str] = ()  # that can renew when they are online
    quarantined: Sequence[str] = ()
    leaving: Sequence[str] = ()  # that are being deleted
    unwiped: Sequence[str] = ()  # that were deleted, and did not acknowledge their wipe
    unknown: Sequence[str] = ()  # that this control plane does not know, and may adopt
    is_uncounted: bool = False  # whether there may be others, of which nobody can tell

    @property
    def is_nobody(self) -> bool:
        """Whether nobody is shut out."""
        groups = (self.devices, self.quarantined, self.leaving, self.unwiped, self.unknown)
        return not any(groups) and not self.is_uncounted


class AuthorityStore(Protocol):
    """Requests, devices and public certificates. Every method may raise BackendError."""

    async def read_request(self) -> RolloverRequest | None:
        """Return the request that has no answer yet, as of now."""

    async def answer(self, request: RolloverRequest, answer: RolloverAnswer) -> None:
        """Write the answer, unless another server did, or there is another request."""

    async def find_left_behind(self, authority: str) -> LeftBehind:
        """Return who may need another CA than the one with this key identifier in hex, as of now.

        Who was not heard from since a release that records the CA of its certificate counts too.
        """

    async def publish(self, certificates: Mapping[str, str]) -> None:
        """Write PEM texts by file name where who may not read keys finds them."""

    async def warn(self, secret: str, code: Code, sentence: str) -> None:
        """Tell administrators, where they look for what happened to it, about a secret."""

    def subscribe(self, changed: Callable[[], None]) -> None:
        """Call `changed` in the loop when a request may have come, while the backend runs."""
