"""Waiting in tests: for an observable condition, never a fixed time.

    device = await eventually(lambda: find("till-1"))   # in a test with an event loop
    wait_until(lambda: path.exists())                   # in a test without one

Both return what the look returned as soon as that is true. The last look begins when the time is
over: the machine may stand still for seconds, and what has happened by then counts.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")
Errors = type[Exception] | tuple[type[Exception], ...]

LIMIT = 60.0  # seconds: reached only by what does not come at all
PAUSE = 0.05  # seconds between two looks
SHOWN = 2000  # characters of what was seen last


async def eventually(
    look: Callable[[], Awaitable[T] | T],
    seconds: float = LIMIT,
    *,
    tolerate: Errors = (),
    pause: float = PAUSE,
) -> T:
    """Wait until a look, asynchronous or not, returns something true; return that.

    An error in `tolerate` means not yet.
    """
    end = time.monotonic() + seconds
    while True:
        is_last = time.monotonic() >= end
        try:
            found = look()
            seen: object = await found if inspect.isawaitable(found) else found
        except tolerate as error:
            seen = error
        else:
            if seen:
                return seen  # type: ignore[return-value]
        if is_last:
            raise NotInTimeError(seconds, seen)
        await asyncio.sleep(pause)


def wait_until(
    look: Callable[[], T],
    seconds: float = LIMIT,
    *,
    tolerate: Errors = (),
    pause: float = PAUSE,
) -> T:
    """Do what `eventually` does in a test without an event loop."""
    end = time.monotonic() + seconds
    while True:
        is_last = time.monotonic() >= end
        try:
            seen: object = look()
        except tolerate as error:
            seen = error
        else:
            if seen:
                return seen  # type: ignore[return-value]
        if is_last:
            raise NotInTimeError(seconds, seen)
        time.sleep(pause)


async def settles(check: Callable[[], Awaitable[None]], seconds: float = LIMIT) -> None:
    """Wait until the assertions of an asynchronous check hold."""

    async def look() -> bool:
        await check()
        return True

    await eventually(look, seconds, tolerate=AssertionError, pause=0.2)


class NotInTimeError(AssertionError):
    """What a test waited for did not come; shows what was there instead."""

    def __init__(self, seconds: float, seen: object) -> None:
        super().__init__(f"not within {seconds:g} s; seen last: {seen!r:.{SHOWN}}")
        self.__cause__ = seen if isinstance(seen, BaseException) else None
