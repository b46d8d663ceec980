"""How devices get slots of a batch, by what the watch tells and what the API says."""

from __future__ import annotations

import time
from typing import Any

import pytest

from flotta.edge_api.backends.crd.slots import TRIED, Slots, Use
from flotta.edge_api.backends.crd.uses import Uses
from flotta.edge_api.batches import Batch
from flotta.edge_api.refusals import Refusal
from flotta.fleet.registration_batches import Specification, use_name
from flotta.resources.cache import Cache
from flotta.resources.client import AlreadyExists
from flotta.resources.kinds import CONFIG_MAP

Object = dict[str, Any]
LABEL = "management.project-flotta.io/registration-batch"


class Api:
    """The ConfigMaps of an API, with the cache of an Edge API."""

    def __init__(self) -> None:
        self.stored: dict[str, Object] = {}
        self.calls = 0
        self.cache: Cache[Any] = Cache(None, CONFIG_MAP)  # type: ignore[arg-type]
        self.uses = Uses(self, self.cache, "flotta")  # type: ignore[arg-type]

    async def create(self, kind: Any, obj: Object) -> Object:
        self.calls += 1
        name = obj["metadata"]["name"]
        if name in self.stored:
            raise AlreadyExists(409, "AlreadyExists", name)
        obj["metadata"]["resourceVersion"] = str(self.calls)
        self.stored[name] = obj
        return obj

    async def get_or_none(self, kind: Any, name: str, namespace: str) -> Object | None:
        self.calls += 1
        return self.stored.get(name)

    def tell(self) -> None:
        """Let the watch tell of everything."""
        for obj in self.stored.values():
            self.cache._apply_event("ADDED", obj)

    async def claim(self, device_id: str, uses: int) -> None:
        batch = Batch("shops", Specification(uses=uses), uid="u-1")
        await self.uses.claim(batch, device_id, {})

    async def reason(self, device_id: str, uses: int) -> str:
        with pytest.raises(Refusal) as refused:
            await self.claim(device_id, uses)
        return refused.value.reason


@pytest.fixture
def api() -> Api:
    return Api()


@pytest.mark.parametrize("told", [True, False])
async def test_each_device_gets_one_slot_and_no_further_one_does(api: Api, told: bool) -> None:
    for device_id in ("a", "b", "a", "c", "b"):
        await api.claim(device_id, 3)
        if told:
            api.tell()
    assert len(api.stored) == 3
    assert await api.reason("d", 3) == "RegistrationBatchExhausted"


async def test_fewer_uses_than_have_joined_admit_nobody_more(api: Api) -> None:
    for number in range(10):
        await api.claim(f"d-{number}", 20)
    api.tell()

    assert await api.reason("late", 10) == "RegistrationBatchExhausted"
    assert len(api.stored) == 10
    await api.claim("d-3", 10)


async def test_who_finds_only_slots_of_others_tries_again_later(api: Api) -> None:
    """The watch tells of none of a thousand uses."""
    for slot in range(1, 1001):
        taken = {"name": use_name("shops", slot), "labels": {LABEL: "shops"}}
        api.stored[use_name("shops", slot)] = {"metadata": taken, "data": {"deviceID": "x"}}

    assert await api.reason("late", 1000) == "TooManyEnrolments"
    assert api.calls < 40


@pytest.mark.parametrize("uses", [5, 40, 200])
def test_a_device_tries_the_same_slots_until_the_watch_tells_of_more(uses: int) -> None:
    """So it meets its own use, which another replica took for it a moment ago."""
    ours, theirs = Slots(), Slots()
    for slot in range(1, uses):
        for slots in (ours, theirs):
            if slot % 7:
                slots.put(Use(use_name("shops", slot), f"d-{slot}", ""))
    theirs.discard(use_name("shops", 1))
    theirs.put(Use(use_name("shops", 1), "d-1", ""))
    for number in range(50):
        tried = list(ours.candidates(f"late-{number}", uses))
        assert tried == list(theirs.candidates(f"late-{number}", uses))
        assert len(tried) == len(set(tried)) >= min(TRIED, uses - len(ours))


def test_the_last_slot_of_a_large_batch_is_found_at_once() -> None:
    slots, uses = Slots(), 30_000
    for slot in range(1, uses + 1):
        if slot != 20_000:
            slots.put(Use(use_name("shops", slot), f"d-{slot}", ""))
    assert list(slots.candidates("late", uses)) == [20_000]  # from now on it knows what is free

    begin = time.process_time()
    for _ in range(100):
        assert list(slots.candidates("late", uses)) == [20_000]
    assert time.process_time() - begin < 0.3  # 100 looks at each slot take seconds

    slots.put(Use("shops-20000", "late", ""))
    assert list(slots.candidates("later", uses)) == []
    slots.discard("shops-5")
    assert list(slots.candidates("later", uses)) == [5]
    found = slots.find("d-6")
    assert found is not None
    assert found.name == "shops-6"
    assert slots.find("d-5") is None
