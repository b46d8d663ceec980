"""The work queue: each key once, never twice at a time, failures after growing delays."""

from __future__ import annotations

import asyncio

import pytest

from flotta.operator.runtime.controller import Controller
from flotta.operator.runtime.queue import WorkQueue
from flotta.resources.client import ApiError
from flotta.resources.views import Key
from waiting import eventually

pytestmark = pytest.mark.looptime  # waits end at once


async def test_key_added_twice_comes_once() -> None:
    queue = WorkQueue()
    for key in ("a", "b", "a"):
        queue.add(key)
    assert [await queue.get(), await queue.get()] == ["a", "b"]
    assert len(queue) == 0


async def test_key_added_while_worked_on_comes_back_after_that_work() -> None:
    queue = WorkQueue()
    queue.add("a")
    await queue.get()
    queue.add("a")
    assert len(queue) == 0
    queue.finish("a")
    assert await queue.get() == "a"


async def test_earlier_of_two_delays_wins_and_add_overtakes() -> None:
    queue = WorkQueue()
    queue.add_after("a", 60)
    queue.add_after("a", 0.01)
    queue.add_after("a", 60)
    assert await asyncio.wait_for(queue.get(), 30) == "a"
    queue.finish("a")
    queue.add_after("a", 60)
    queue.add("a")
    assert await asyncio.wait_for(queue.get(), 30) == "a"


async def test_failed_key_comes_back_and_success_forgets_the_failures() -> None:
    queue = WorkQueue()
    queue.add("a")
    await queue.get()
    first = queue.retry("a")
    assert 0.1 <= first <= 0.2
    assert await asyncio.wait_for(queue.get(), 30) == "a"
    assert 0.2 <= queue.retry("a") <= 0.4
    await asyncio.wait_for(queue.get(), 30)
    queue.finish("a")
    queue.add("a")
    await queue.get()
    assert queue.retry("a") <= 0.2


async def test_workers_are_bounded_and_no_key_is_handled_twice_at_a_time() -> None:
    active: list[Key] = []
    most = 0

    async def reconcile(key: Key) -> None:
        nonlocal most
        assert key not in active
        active.append(key)
        most = max(most, len(active))
        await asyncio.sleep(0.01)
        active.remove(key)

    controller = Controller("test", reconcile, 3)
    task = asyncio.create_task(controller.run())
    for _ in range(3):
        for number in range(10):
            controller.queue.add(("default", str(number)))
        await asyncio.sleep(0.005)
    await eventually(lambda: controller.results["success"] >= 10)
    task.cancel()
    assert most == 3
    assert controller.results["error"] == 0


async def test_any_failure_is_tried_again_and_the_worker_continues() -> None:
    calls: list[Key] = []

    async def reconcile(key: Key) -> None:
        calls.append(key)
        if len(calls) == 1:
            raise ApiError(500, "InternalError", "no")
        if len(calls) == 2:
            raise RuntimeError

    controller = Controller("test", reconcile, 1)
    task = asyncio.create_task(controller.run())
    controller.queue.add(("default", "a"))
    await eventually(lambda: controller.results["success"])
    task.cancel()
    assert len(calls) == 3
