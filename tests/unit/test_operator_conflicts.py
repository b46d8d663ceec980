"""An object is reconciled as the cache has it, and after a conflict as the API has it."""

from __future__ import annotations

from typing import Any

from flotta.operator.runtime.conflicts import CONFLICT_DELAY, MAX_ATTEMPTS, reconcile_newest
from flotta.resources.client import Client, Conflict
from flotta.resources.kinds import EDGE_DEVICE, Kind

Object = dict[str, Any]
KEY = ("default", "till-1")


class OneObjectClient(Client):
    """Knows at most one object."""

    def __init__(self, obj: Object | None) -> None:
        self.obj = obj

    async def get_or_none(
        self, kind: Kind, name: str, namespace: str | None = None
    ) -> Object | None:
        assert (kind, namespace, name) == (EDGE_DEVICE, *KEY)
        return self.obj


class Reconcile:
    """Conflicts for all versions but the newest."""

    def __init__(self) -> None:
        self.versions: list[int] = []

    async def __call__(self, obj: Object) -> float:
        self.versions.append(obj["version"])
        if obj["version"] < 2:
            raise Conflict(409, "Conflict", "changed")
        return 7.0


async def test_newest_object_follows_a_conflict() -> None:
    reconcile = Reconcile()
    client = OneObjectClient({"version": 2})
    assert await reconcile_newest(client, EDGE_DEVICE, KEY, {"version": 1}, reconcile) == 7.0
    assert reconcile.versions == [1, 2]


async def test_deleted_object_needs_nothing() -> None:
    reconcile = Reconcile()
    client = OneObjectClient(None)
    assert await reconcile_newest(client, EDGE_DEVICE, KEY, None, reconcile) is None
    assert await reconcile_newest(client, EDGE_DEVICE, KEY, {"version": 1}, reconcile) is None
    assert reconcile.versions == [1]


async def test_busy_object_comes_back_later() -> None:
    reconcile = Reconcile()
    client = OneObjectClient({"version": 1})
    delay = await reconcile_newest(client, EDGE_DEVICE, KEY, {"version": 0}, reconcile)
    assert delay == CONFLICT_DELAY
    assert reconcile.versions == [0] + [1] * (MAX_ATTEMPTS - 1)
