"""Stopping a pod that must not have its whole grace period, which may be a day.

Its processes have STOP_LIMIT to end: containers that ignore their signal, hooks that wait. What
runs then is killed (docs/reference/device.md#disconnect).
"""

from __future__ import annotations

import asyncio
import logging

from flotta.protocol.reasons.device_programs import REMOVAL_INCOMPLETE
from flotta.worker import podman, systemd

log = logging.getLogger(__name__)

STOP_LIMIT = 60.0  # seconds for a pod to end by itself; the gateway waits 120 s for all of a wipe
KILL_PAUSE = 5.0  # seconds for a unit to end after something of it was killed
KILLS = 3  # times: the first may end a hook alone, after which systemd goes on to the next command


async def stop_soon(workload: str, unit: str) -> None:
    """Stop the unit of a workload; what has not ended within STOP_LIMIT is killed."""
    if await _stop_within(STOP_LIMIT, unit):
        return
    log.warning(
        "Workload %s did not stop within %.0f seconds and is killed [%s]",
        workload,
        STOP_LIMIT,
        REMOVAL_INCOMPLETE,
    )
    for _ in range(KILLS):
        await systemd.kill_control(unit)
        await podman.kill_containers(workload)
        if await _stop_within(KILL_PAUSE, unit):
            return


async def _stop_within(seconds: float, unit: str) -> bool:
    """Stop a unit; return whether that was over in time. systemd continues otherwise."""
    try:
        async with asyncio.timeout(seconds):
            await systemd.stop(unit)
    except TimeoutError:
        return False
    return True
