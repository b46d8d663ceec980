"""When a probe is due: periods are counted from one question to the next."""

from __future__ import annotations

import asyncio
import random

from flotta.worker.probes.probe import Probe

NEW_SPREAD = 1.0  # seconds over which the first probes of new containers are spread
OLD_SPREAD = 10.0  # the same for containers that ran before the worker, which are many at once


class Schedule:
    """The times of one probe of one run of a container that is `age` seconds old."""

    def __init__(self, probe: Probe, age: float, *, is_new: bool) -> None:
        self._period = probe.period
        spread = NEW_SPREAD * probe.period / 10 if is_new else float(probe.period)
        longest = min(spread, NEW_SPREAD if is_new else OLD_SPREAD)
        delay = max(probe.initial_delay - age, 0.0)
        self._due = _now() + delay + random.uniform(0, longest)  # noqa: S311 (spreads load)

    async def wait(self) -> None:
        """Wait until the probe is due; after a pause of the worker, missed times are left out."""
        await asyncio.sleep(self._due - _now())
        self._due = max(self._due + self._period, _now())


def _now() -> float:
    return asyncio.get_running_loop().time()
