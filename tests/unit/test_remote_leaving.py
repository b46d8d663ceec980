"""Only what a data store says of this moment lets a device remove everything."""

from __future__ import annotations

from typing import Any, cast

import pytest

from flotta.edge_api.backends.backend import Membership
from flotta.edge_api.backends.remote.leaving import Leaving
from flotta.protocol.configuration_api import RegistrationStatus
from unit.test_remote_rules import peer


class Readings:
    """The store says that a device is unregistered: now, or before it went away."""

    def __init__(self, *, is_now: bool) -> None:
        self._is_now = is_now

    async def status(self, *_: object) -> tuple[RegistrationStatus, bool]:
        return RegistrationStatus(status="unregistered", uid="u1"), self._is_now

    def known_uid(self, _: object) -> str:
        return "u1"


class Brake:
    """A brake that holds nobody."""

    def __init__(self) -> None:
        self.granted: list[object] = []

    async def grant(self, leaver: object) -> bool:
        self.granted.append(leaver)
        return True

    def release(self, leaver: object) -> None:
        """Nobody is held."""


@pytest.mark.parametrize(
    ("is_now", "becomes"), [(True, Membership.DECOMMISSIONED), (False, Membership.LEAVING)]
)
async def test_a_stale_wish_removes_nothing(is_now: bool, becomes: Membership) -> None:
    brake = Brake()
    leaving = Leaving(cast("Any", None), cast("Any", Readings(is_now=is_now)), cast("Any", brake))

    assert await leaving.membership(peer()) is becomes
    assert len(brake.granted) == is_now
